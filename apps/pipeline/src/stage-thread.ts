/** What the thread of a stage does: the work of that stage with each item that it is sent. */
import type { ThreadPort } from "@anyloop/io";
import { type Operation, run } from "anyloop";
import { type StageName, worksHere } from "./stages.ts";

export interface Question {
  readonly id: number;
  readonly item: unknown;
}

export interface Answer {
  readonly id: number;
  readonly value?: unknown;
  /** What the work threw, in words. */
  readonly problem?: string;
}

/** Answers until it is asked nothing more. */
export async function serveStage(port: ThreadPort<Answer, Question>, stage: StageName): Promise<void> {
  const answering = new Set<Promise<void>>();
  for await (const question of port) {
    const answer = answerTo(question, stage)
      .then((found) => port.send(found))
      .finally(() => answering.delete(answer));
    answering.add(answer);
  }
  await Promise.all(answering);
}

async function answerTo({ id, item }: Question, stage: StageName): Promise<Answer> {
  // The items of a stage are its own: who asks has chosen it by the same name.
  const work = worksHere[stage] as (item: unknown) => Operation<unknown>;
  try {
    return { id, value: await run(work(item)) };
  } catch (error) {
    return { id, problem: String(error) };
  }
}
