/**
 * The budget of a step, for whoever decides where a task may be interrupted.
 *
 * An operation that completes at once goes on in the same step while the budget lasts, so that is where another task can
 * come in between: once in a while on an ordinary loop, at every operation on a loop that explores schedules.
 */
import { realm } from "./realm.ts";

export const budget: {
  /** Operations left in the step that is being taken; set from an instrument's `beforeStep`. With 1 the next is the last. */
  left: number;
} = {
  get left() {
    return realm.budget;
  },
  set left(operations) {
    realm.budget = operations;
  },
};
