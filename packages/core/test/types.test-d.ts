/** What the compiler infers and refuses: checked by `tsc`, never run. */
import {
  all,
  allSettled,
  any,
  asCompleted,
  type Coroutine,
  failAfter,
  forEach,
  fromPromise,
  generate,
  map,
  memoryStream,
  moveOnAfter,
  type Operation,
  operation,
  perform,
  race,
  run,
  type SendStream,
  sleep,
  type Task,
  taskGroup,
  use,
} from "@anyloop/core";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only if the type of the value is exactly `T`. */
declare function expectType<T>(): <U>(value: U, ...same: Equal<T, U> extends true ? [] : [never]) => void;

const read: (host: string, port?: number) => Operation<string> = operation(function* (
  host: string,
  port = 80,
) {
  yield* sleep(1);
  return `${host}:${String(port)}`;
});

// run
expectType<Promise<string>>()(run(read("host")));
expectType<Promise<number>>()(
  run(function* () {
    yield* sleep(1);
    return 1;
  }),
);
expectType<Promise<string>>()(run(async () => await Promise.resolve("x")));

// operation keeps generics
const identity: <T>(value: T) => Operation<T> = operation(function* <T>(value: T): Coroutine<T> {
  yield* sleep(0);
  return value;
});
expectType<Operation<number>>()(identity<number>(1));
// @ts-expect-error a string is no number of milliseconds
sleep("1");
// @ts-expect-error the argument has the wrong type
read(80);

// methods
class Greeter {
  greet(name: string): Operation<string> {
    return perform(this, this.doGreet, name);
  }
  *doGreet(name: string): Coroutine<string> {
    yield* sleep(1);
    return name;
  }
}
expectType<Operation<string>>()(new Greeter().greet("you"));

void run(function* () {
  // yield* gives the result's type
  expectType<string>()(yield* read("host"));
  expectType<void>()(yield* sleep(1));
});

// @ts-expect-error a forgotten star: an operation is no instruction
void run(function* () {
  yield sleep(1);
});

void taskGroup(function* (group) {
  const task = group.startSoon(read("host"));
  expectType<Task<string>>()(task);
  expectType<string>()(yield* task.join());
  expectType<Task<number>>()(
    group.startSoon(async () => {
      await sleep(1);
      return 1;
    }),
  );
  expectType<number>()(
    yield* group.start<number>(function* (status) {
      status.started(1);
      // @ts-expect-error started takes the value that start gives
      status.started("x");
      yield* sleep(1);
    }),
  );
  expectType<void>()(yield* group.start((status) => status.started()));
  expectType<{ task: Task<unknown>; value: string }>()(
    yield* group.startTask<string>((status) => status.started("x")),
  );
  // @ts-expect-error a task is given no arguments: pass read(host) itself
  group.startSoon((host: string) => read(host));
});
expectType<Operation<number>>()(taskGroup(() => 1));

// streams
const [send, receive] = memoryStream<number>(1);
void send.send(1);
// @ts-expect-error a send stream does not receive
send.receive();
// @ts-expect-error a receive stream does not send
receive.send(1);
// @ts-expect-error the item has the wrong type
send.send("x");
const wide: SendStream<1> = send;
void wide;
void (async () => {
  for await (const item of receive) expectType<number>()(item);
});
expectType<Operation<void>>()(forEach(receive, (item) => expectType<number>()(item)));
expectType<Operation<string>>()(
  generate<number, string>(
    function* (emit) {
      yield* emit(1);
      // @ts-expect-error what is emitted has the wrong type
      yield* emit("x");
    },
    () => "x",
  ),
);

// several at once
expectType<Operation<[string, number, void]>>()(
  all([read("host"), async () => await Promise.resolve(1), sleep(1)]),
);
expectType<Operation<{ a: string; b: number }>>()(
  all({ a: read("host"), b: async () => await Promise.resolve(1) }),
);
expectType<Operation<string[]>>()(all(new Set([read("a"), read("b")])));
expectType<Operation<[PromiseSettledResult<string>, PromiseSettledResult<number>]>>()(
  allSettled([read("host"), async () => await Promise.resolve(1)]),
);
expectType<Operation<string | number>>()(race([read("host"), async () => await Promise.resolve(1)]));
expectType<Operation<string>>()(any([read("a"), read("b")]));
expectType<Operation<string[]>>()(
  map([1, 2], function* (item, index) {
    expectType<number>()(item);
    expectType<number>()(index);
    return yield* read("host", item);
  }),
);
expectType<Operation<string>>()(asCompleted([read("a")], (results) => results.receive()));

// scopes and resources
expectType<Operation<string | undefined>>()(moveOnAfter(1, read("host")));
expectType<Operation<string>>()(failAfter(1, read("host")));
expectType<Operation<number>>()(failAfter(1, (scope) => scope.deadline));
expectType<Operation<number>>()(use(send, () => 1));
// @ts-expect-error nothing here can be closed
use({}, () => 1);
expectType<Operation<Response>>()(fromPromise((signal) => fetch("x", { signal })));

// What no value is wanted of gives no function and is no async generator (of others T would be that: see decision 3)
void taskGroup(function* (group) {
  // @ts-expect-error a body gives no function
  yield* group.start(() => () => 1);
  // @ts-expect-error an async generator is no body
  yield* group.start(async function* () {
    yield 1;
  });
});
// @ts-expect-error a body gives no function
all([() => () => 1]);
// @ts-expect-error an async generator is no body
race([async function* () {}]);
// @ts-expect-error an async generator is no body
forEach(receive, async function* () {});
