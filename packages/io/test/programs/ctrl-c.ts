/** What `run-main.node.test.ts` sends real signals to. Its first argument says which program it is, its second the backend. */
import { all, isCancelled, shield, sleepForever, taskGroup, use } from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import { native } from "@anyloop/native";
import { runInProcess, runMain, runProcess, signals } from "@anyloop/io";

const [kind = "", backendName = "kernel"] = process.argv.slice(2);
const backend = backendName === "native" ? native() : kernel();

/** Waits until it is told to end, and as long as anybody likes after that. */
function* stubborn() {
  console.log("ready");
  try {
    yield* sleepForever();
  } finally {
    console.log("cleaning up");
    yield* shield(sleepForever());
  }
}

const programs: Record<string, () => Promise<unknown>> = {
  orderly: () =>
    runMain(
      function* () {
        try {
          yield* taskGroup(function* (group) {
            group.startSoon(function* child() {
              try {
                yield* sleepForever();
              } finally {
                console.log("child cleaned up");
              }
            });
            console.log("ready");
            yield* sleepForever();
          });
        } finally {
          console.log("main cleaned up");
        }
      },
      { backend },
    ),
  asynchronous: () =>
    runMain(
      async () => {
        try {
          console.log("ready");
          await sleepForever();
        } finally {
          console.log("main cleaned up");
        }
      },
      { backend },
    ),
  stubborn: () =>
    runMain(
      function* program() {
        yield* taskGroup(function* (group) {
          group.startSoon(stubborn, { name: "stubborn child" });
        });
      },
      { backend, name: "program" },
    ),
  // A main that ends in order although it was told to stop has succeeded.
  graceful: () =>
    runMain(
      function* () {
        console.log("ready");
        try {
          yield* sleepForever();
        } catch (error) {
          if (!isCancelled(error)) throw error;
        }
        console.log("handed over");
      },
      { backend },
    ),
  failing: () =>
    runMain(
      function* () {
        console.log("ready");
        try {
          yield* sleepForever();
        } finally {
          // oxlint-disable-next-line no-unsafe-finally -- It is what this program is about.
          throw new Error("while cleaning up");
        }
      },
      { backend },
    ),
  finished: () => runMain(() => "value", { backend }).then(console.log),
  // Receives the first signal itself, and leaves the next to what always happens.
  receiving: () =>
    runMain(
      function* () {
        yield* use(signals("SIGINT"), function* (received) {
          console.log("ready");
          console.log("received", yield* received.receive());
        });
        console.log("closed");
        try {
          yield* sleepForever();
        } finally {
          console.log("main cleaned up");
        }
      },
      { backend },
    ),
  // Nobody takes the signal before the receiver is closed: it does what it always does.
  "closed-too-early": () =>
    runMain(
      function* () {
        yield* use(signals("SIGUSR2"), function* () {
          process.kill(process.pid, "SIGUSR2");
        });
        console.log("not reached");
      },
      { backend },
    ),
  "closed-too-early-for-main": () =>
    runMain(
      function* () {
        try {
          yield* use(signals("SIGINT"), function* () {
            process.kill(process.pid, "SIGINT");
          });
          yield* sleepForever();
        } finally {
          console.log("main cleaned up");
        }
      },
      { backend },
    ),
  // Its terminal gives Ctrl+C to the programs that it runs as well.
  "with-programs": () =>
    runMain(
      function* () {
        try {
          const one = runProcess(["sh", "-c", "echo ready; exec sleep 60"], { stdout: "inherit" });
          yield* all([one, one, one, one, one, one, one, one]);
        } finally {
          console.log("main cleaned up");
        }
      },
      { backend },
    ),
  // A worker process is in the same terminal.
  "with-a-worker": () =>
    runMain(
      function* () {
        try {
          yield* runInProcess(() => {
            console.log("ready");
            for (;;);
          });
        } finally {
          console.log("main cleaned up");
        }
      },
      { backend },
    ),
  // Nothing else keeps this process.
  waiting: () =>
    runMain(
      function* () {
        yield* use(signals("SIGUSR2", "SIGHUP"), function* (received) {
          console.log("ready");
          for (let signal = ""; signal !== "SIGHUP";) {
            signal = yield* received.receive();
            console.log(signal);
          }
        });
      },
      { backend },
    ),
};

await programs[kind]?.();
