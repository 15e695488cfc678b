/** `generate`: a stream from a source that runs in a task of its own. */
import {
  ClosedResourceError,
  type Coroutine,
  type Emit,
  forEach,
  generate,
  moveOnAfter,
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
