/** What the compiler infers and refuses: checked by `tsc`, never run. */
import {
  type ByteStream,
  type Connectable,
  type Coroutine,
  type Listener,
  type Operation,
  sleep,
} from "@anyloop/core";
import {
  assertCheckpoints,
  assertNoCheckpoints,
  type Cancellations,
  cancelEverywhere,
  type Exploration,
  explore,
  lockstepByteStreamPair,
  memoryByteStreamPair,
  MemoryNetwork,
  openTaskReport,
  replay,
  Sequencer,
  type Victim,
  waitAllTasksBlocked,
} from "@anyloop/testing";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only if the type of the value is exactly `T`. */
declare function expectType<T>(): <U>(value: U, ...same: Equal<T, U> extends true ? [] : [never]) => void;

// explore takes operations and bodies of either style
expectType<Promise<Exploration>>()(explore(sleep(1)));
expectType<Promise<Exploration>>()(explore(async () => await sleep(1), { runs: 1, strategy: "priorities" }));
expectType<Promise<void>>()(replay(() => {}, "s1"));
explore(function* (victim) {
  expectType<Victim>()(victim);
  expectType<number | undefined>()(
    yield* victim(function* () {
      yield* sleep(1);
      return 1;
    }),
  );
  expectType<void | undefined>()(yield* victim(sleep(1)));
});
// @ts-expect-error the body itself is to be passed, not what it gives
explore(Promise.resolve());
// @ts-expect-error there is no such strategy
explore(sleep(1), { strategy: "best" });
// @ts-expect-error a schedule is what was printed
replay(sleep(1), 7);

expectType<Promise<Cancellations>>()(cancelEverywhere(sleep(1), { check: () => {} }));
cancelEverywhere(sleep(1), { check: sleep(1) });
// @ts-expect-error cancelEverywhere tries every moment once: there is nothing to draw
cancelEverywhere(sleep(1), { seed: 1 });

// values come through
const sequencer = new Sequencer();
expectType<Operation<void>>()(sequencer.at(0));
expectType<Operation<number>>()(sequencer.at(0, () => 7));
expectType<Operation<string>>()(assertCheckpoints(async () => await Promise.resolve("x")));
function* one(): Coroutine<1> {
  yield* sleep(0);
  return 1;
}
expectType<Operation<1>>()(assertNoCheckpoints(one));
expectType<Operation<void>>()(waitAllTasksBlocked(5));
expectType<string[]>()(openTaskReport());

// hooks in either style
memoryByteStreamPair({ onSend: async (data) => void data.length }, { *onReceive() {} });
// @ts-expect-error there is no such hook
lockstepByteStreamPair({ onRead() {} });

// the network stands behind core's interfaces
const host = new MemoryNetwork().host("host");
export const connectable: Connectable<ByteStream> = host.connectable("host", 80);
export const listening: Operation<Listener<ByteStream>> = host.listen(80);
// @ts-expect-error IPv5 is history
host.resolve("host", { family: 5 });
