/** `generate`: a stream from a source that runs in a task of its own. */
import {
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  type Emit,
  EndOfStream,
  Event,
  forEach,
  generate,
  isCancelled,
  moveOnAfter,
  shield,
  taskGroup,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each } from "./each.ts";

each("generate runs its source in a task of its own, ended with the body", function* () {
  const steps: string[] = [];
  const first = yield* generate<number, number>(
    function* (emit) {
      try {
        for (let item = 1; ; item++) yield* emit(item);
      } finally {
        steps.push("source ended");
      }
    },
    function* (stream) {
      yield* stream.receive();
      return yield* stream.receive();
    },
  );
  steps.push("after");
  expect(first).toBe(2);
  expect(steps).toEqual(["source ended", "after"]);
});

each("generate: an error of the source is thrown", function* () {
  const boom = new Error("boom");
  const error = yield* caught(
    generate<number, void>(
      function* (emit) {
        yield* emit(1);
        throw boom;
      },
      (stream) => forEach(stream, () => {}),
    ),
  );
  expect(error).toBe(boom);
});

each(
  "generate: a reader that closes the stream ends the source in order [trio as_safe_channel_broken_resource]",
  function* () {
    let cleaned = false;
    yield* generate<number, void>(
      function* (emit) {
        try {
          for (let item = 0; ; item++) yield* emit(item);
        } finally {
          cleaned = true;
        }
      },
      function* (stream) {
        yield* stream.receive();
        yield* waitAllTasksBlocked();
        yield* stream.close();
        expect(yield* caught(stream.receive())).toBeInstanceOf(ClosedResourceError);
        yield* waitAllTasksBlocked();
      },
    );
    expect(cleaned).toBe(true);
  },
);

each(
  "generate: an error after the last item is thrown, the items before are read [trio as_safe_channel_no_race]",
  function* () {
    const boom = new Error("boom");
    const got: number[] = [];
    const error = yield* caught(
      generate<number, void>(
        function* (emit) {
          yield* emit(1);
          throw boom;
        },
        (stream) =>
          (function* () {
            yield* forEach(stream, (item) => {
              got.push(item);
            });
          })(),
      ),
    );
    expect(error).toBe(boom);
    expect(got).toEqual([1]);
  },
);

each("generate: body and source fail, both are told [trio as_safe_channel_genexit_finally]", function* () {
  const error = yield* caught(
    generate<number, void>(
      function* (emit) {
        try {
          yield* emit(1);
          yield* emit(2);
        } catch {
          throw new Error("source");
        }
      },
      function* (stream) {
        yield* stream.receive();
        throw new Error("body");
      },
    ),
  );
  const messages = (error as AggregateError).errors.map((one) => (one as Error).message);
  expect(messages.sort()).toEqual(["body", "source"]);
});

each("generate inside generate [trio as_safe_channel_nested_loop]", function* () {
  const pairs: string[] = [];
  const two = function* (emit: Emit<number>): Coroutine<void> {
    yield* emit(0);
    yield* emit(1);
  };
  yield* generate<number, void>(two, (outer) =>
    forEach(outer, (a) =>
      generate<number, void>(two, (inner) =>
        forEach(inner, (b) => {
          pairs.push(`${String(a)}${String(b)}`);
        }),
      ),
    ),
  );
  expect(pairs).toEqual(["00", "01", "10", "11"]);
});

each(
  "generate: a scope inside the source does not leak [trio as_safe_channel_doesnt_leak_cancellation]",
  function* () {
    let reached = false;
    yield* generate<number, void>(
      function* (emit) {
        yield* emit(1);
        yield* moveOnAfter(0, emit(2));
      },
      function* (stream) {
        yield* forEach(stream, () => {});
        yield* checkpoint();
        reached = true;
      },
    );
    expect(reached).toBe(true);
  },
);

each(
  "generate: the source begins with the first receive [trio as_safe_channel_cancelled, close_before_iteration]",
  function* () {
    let begun = false;
    const source = function* (emit: Emit<number>): Coroutine<void> {
      begun = true;
      yield* emit(1);
    };
    yield* generate<number, void>(source, function* (stream) {
      yield* waitAllTasksBlocked();
      yield* stream.close();
      expect(yield* caught(stream.receive())).toBeInstanceOf(ClosedResourceError);
    });
    const scope = new CancelScope();
    yield* scope.run(function* () {
      yield* generate<number, void>(source, function* (stream) {
        scope.cancel();
        yield* stream.receive();
      });
    });
    expect(begun).toBe(false);
  },
);

each(
  "generate: the source goes on when the next item is asked for, not before [trio as_safe_channel_no_interleave, buffer_size_too_small]",
  function* () {
    const steps: string[] = [];
    yield* generate<number, void>(
      function* (emit) {
        for (let item = 1; ; item++) {
          steps.push(`made ${String(item)}`);
          yield* emit(item);
        }
      },
      function* (stream) {
        for (let read = 0; read < 2; read++) {
          const item = yield* stream.receive();
          yield* waitAllTasksBlocked();
          steps.push(`read ${String(item)}`);
        }
      },
    );
    expect(steps).toEqual(["made 1", "read 1", "made 2", "read 2"]);
  },
);

each(
  "generate: what was made for a reader that gave up goes to the next; several read at once [trio as_safe_channel_multiple_receiver]",
  function* () {
    const gate = new Event();
    const got: number[] = [];
    yield* generate<number, void>(
      function* (emit) {
        yield* gate.wait();
        for (let item = 0; ; item++) yield* emit(item);
      },
      function* (stream) {
        yield* taskGroup(function* (group) {
          const first = group.startSoon(stream.receive());
          yield* waitAllTasksBlocked();
          first.cancel();
          yield* first.wait();
          gate.set();
          yield* waitAllTasksBlocked();
          for (let reader = 0; reader < 3; reader++) {
            group.startSoon(function* () {
              got.push(yield* stream.receive());
            });
          }
        });
      },
    );
    expect(got.toSorted()).toEqual([0, 1, 2]);
  },
);

each("generate: cancelled, both sides clean up [trio as_safe_channel_multi_cancel]", function* () {
  const steps: string[] = [];
  const scope = new CancelScope();
  yield* scope.run(function* () {
    yield* generate<number, void>(
      function* (emit) {
        try {
          yield* emit(1);
        } finally {
          steps.push("source");
        }
      },
      function* (stream) {
        yield* forEach(stream, function* () {
          scope.cancel();
          try {
            yield* checkpoint();
          } finally {
            steps.push("body");
          }
        });
      },
    );
  });
  expect(steps.toSorted()).toEqual(["body", "source"]);
});

each(
  "generate: a source that fails cancels the reader that waits, which takes it for no end of the stream",
  function* () {
    const boom = new Error("boom");
    let seen: unknown;
    const error = yield* caught(
      generate<number, void>(
        function* (emit) {
          yield* emit(1);
          throw boom;
        },
        function* (stream) {
          yield* stream.receive();
          seen = yield* caught(stream.receive());
          yield* checkpoint();
        },
      ),
    );
    expect(isCancelled(seen)).toBe(true);
    expect(error).toBe(boom);

    const shielded = yield* caught(
      generate<number, void>(
        function* () {
          yield* checkpoint();
          throw boom;
        },
        function* (stream) {
          seen = yield* caught(shield(stream.receive()));
        },
      ),
    );
    expect(seen).toBeInstanceOf(EndOfStream);
    expect(shielded).toBe(boom);
  },
);

each("generate: several tasks of the source give items", function* () {
  const got: number[] = [];
  yield* generate<number, void>(
    (emit) =>
      taskGroup(function* (group) {
        for (const start of [0, 10, 20, 30]) {
          group.startSoon(function* () {
            yield* emit(start);
            yield* emit(start + 1);
          });
        }
      }),
    (stream) =>
      forEach(stream, function* (item) {
        got.push(item);
        yield* checkpoint();
      }),
  );
  expect(got.toSorted((a, b) => a - b)).toEqual([0, 1, 10, 11, 20, 21, 30, 31]);
});
