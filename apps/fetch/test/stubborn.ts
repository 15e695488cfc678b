/** A program whose work does not stop when it is asked to. Says when it has begun, and when it was asked. */
import { interruptible } from "../src/interrupt.ts";

await interruptible(
  (signal) =>
    new Promise(() => {
      setInterval(() => {}, 1000);
      signal.addEventListener("abort", () => console.log("asked to stop"));
      console.log("begun");
    }),
);
