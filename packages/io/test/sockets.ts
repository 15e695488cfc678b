/** What the tests of sockets share: two connected ends, and the words for what goes between them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { all, type Coroutine, fromPromise, type Operation, operation } from "@anyloop/core";
import { connectTcp, listenTcp, type TcpListener, type TcpStream } from "@anyloop/io";
import { each, type Gaps } from "../../../tools/test-support/each-real.ts";

export const localhost: { readonly host: string } = { host: "127.0.0.1" };

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export const text = (data: Uint8Array): string => new TextDecoder().decode(data);

export const portOf = ({ addresses: [address] }: TcpListener): number => address?.port ?? 0;

const openPair = operation(function* openPair(): Coroutine<readonly [near: TcpStream, far: TcpStream]> {
  const listener = yield* listenTcp(0, localhost);
  const pair = yield* all([connectTcp("127.0.0.1", portOf(listener)), listener.accept()]);
  yield* listener.close();
  return pair;
});

export function onPair(
  name: string,
  body: (near: TcpStream, far: TcpStream) => Coroutine<void>,
  gaps?: Gaps,
): void {
  const onOpenPair = function* (): Coroutine<void> {
    const [near, far] = yield* openPair();
    try {
      yield* body(near, far);
    } finally {
      yield* near.close();
      yield* far.close();
    }
  };
  each(name, onOpenPair, gaps);
}

export const inTemporaryDirectory: (body: (directory: string) => Coroutine<void>) => Operation<void> =
  operation(function* inTemporaryDirectory(body: (directory: string) => Coroutine<void>): Coroutine<void> {
    const directory = yield* fromPromise(mkdtemp(join(tmpdir(), "anyloop-")));
    try {
      yield* body(directory);
    } finally {
      yield* fromPromise(rm(directory, { recursive: true }));
    }
  });
