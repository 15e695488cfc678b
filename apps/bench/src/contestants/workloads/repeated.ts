/** A workload is performed round after round, each a program of its own; what they give adds up. */
import type { Perform } from "../../scenario.ts";

export function repeated(items: number, round: () => Promise<number>): Perform {
  return async (size) => {
    let total = 0;
    for (let done = 0; done < size; done += items) total += await round();
    return total;
  };
}
