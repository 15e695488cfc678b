/** Our streams of bytes keep the rules that all do. */
import {
  type Body,
  BufferedByteStream,
  type ByteStream,
  Deferred,
  sleepForever,
  stapled,
  type TaskGroup,
} from "@anyloop/core";
import {
  byteStreamConformance,
  type ByteStreamConformanceOptions,
  lockstepByteStreamPair,
  memoryByteStreamPair,
  MemoryNetwork,
  registerCases,
} from "@anyloop/testing";
import { describe, test } from "vitest";

type MakePair = Body<readonly [ByteStream, ByteStream], [group: TaskGroup]>;

function suite(name: string, makePair: MakePair, options: ByteStreamConformanceOptions = { seeds: 5 }): void {
  describe(name, () => registerCases(test, byteStreamConformance(makePair, options)));
}

suite("memoryByteStreamPair", () => memoryByteStreamPair(), { seeds: 2, bounded: false });
suite("lockstepByteStreamPair", () => lockstepByteStreamPair());
suite("a connection of a MemoryNetwork", function* (group) {
  const network = new MemoryNetwork();
  const listener = yield* network.host("server").listen(80);
  const accepted = new Deferred<ByteStream>();
  group.startSoon(
    listener.serve(function* (stream) {
      accepted.resolve(stream);
      yield* sleepForever();
    }),
  );
  const near = yield* network.host("client").connect("server", 80);
  return [near, yield* accepted.wait()];
});
suite("BufferedByteStream", () => {
  const [left, right] = lockstepByteStreamPair();
  return [new BufferedByteStream(left), new BufferedByteStream(right)];
});
suite("stapled()", () => {
  const [toRight, fromLeft] = lockstepByteStreamPair();
  const [toLeft, fromRight] = lockstepByteStreamPair();
  return [stapled(toRight, fromRight), stapled(toLeft, fromLeft)];
});
