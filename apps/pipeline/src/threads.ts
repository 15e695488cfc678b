/**
 * Stages whose work is done by threads, one for each stage, over a channel.
 *
 * Invariant: each question is answered, or fails with the thread; so a stage that asks gives its item back.
 */
import { runInThread, threadChannel, type ThreadStream } from "@anyloop/io";
import {
  BrokenResourceError,
  CapacityLimiter,
  type Coroutine,
  Deferred,
  forEach,
  type Operation,
  operation,
  perform,
  taskGroup,
} from "anyloop";
import type { Answer, Question } from "./stage-thread.ts";
import { type StageName, stageNames, type Works } from "./stages.ts";

const module = new URL("stage-thread.ts", import.meta.url);

/** A stage's thread, as who asks it sees it. */
class StageThread {
  private readonly channel: ThreadStream<Question, Answer>;
  private readonly asked = new Map<number, Deferred<unknown>>();
  private lastId = 0;

  constructor(channel: ThreadStream<Question, Answer>) {
    this.channel = channel;
  }

  ask(item: unknown): Operation<unknown> {
    return perform(this, this.doAsk, item);
  }

  /** Hands the answers to those who asked. */
  handOut(): Operation<void> {
    return forEach(this.channel, ({ id, value, problem }) => {
      const answer = this.asked.get(id);
      if (problem === undefined) answer?.resolve(value);
      else answer?.reject(new BrokenResourceError(`The thread could not do it: ${problem}`));
    });
  }

  private *doAsk(item: unknown): Coroutine<unknown> {
    const id = ++this.lastId;
    const answer = new Deferred<unknown>();
    this.asked.set(id, answer);
    try {
      yield* this.channel.send({ id, item });
      return yield* answer.wait();
    } finally {
      this.asked.delete(id);
    }
  }
}

/** Performs the body with threads that do the work of the stages. */
export const withThreads: <T>(body: (works: Works) => Operation<T>) => Operation<T> = operation(
  function* withThreads<T>(body: (works: Works) => Operation<T>): Coroutine<T> {
    return yield* taskGroup(function* (group) {
      // They run as long as this does: none is to wait for another to end.
      const limiter = new CapacityLimiter(stageNames.length);
      const startThread = (stage: StageName): StageThread => {
        const [here, there] = threadChannel<Question, Answer>();
        const thread = new StageThread(here);
        const options = { limiter, cancel: "terminate" } as const;
        group.startSoon(runInThread({ module, name: "serveStage" }, [there, stage], options), {
          daemon: true,
        });
        group.startSoon(thread.handOut(), { daemon: true });
        return thread;
      };
      const [fetch, parse, count] = stageNames.map(startThread) as [StageThread, StageThread, StageThread];
      return yield* body({
        fetch: (job) => fetch.ask(job) as ReturnType<Works["fetch"]>,
        parse: (page) => parse.ask(page) as ReturnType<Works["parse"]>,
        count: (text) => count.ask(text) as ReturnType<Works["count"]>,
      });
    });
  },
);
