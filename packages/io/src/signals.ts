/**
 * The signals of the system, as a stream.
 *
 * Invariant: a signal goes to every receiver that is open for it; if there is none, to what `whenNotReceived` was told to
 * do, else it does what it always does. One that a receiver has not taken when it closes counts as received by nobody,
 * so a signal that comes at the last moment is not lost. From trio's `open_signal_receiver`.
 */
import { constants } from "node:os";
import { type Coroutine, type ObjectReceiveStream, type Operation, UsageError } from "@anyloop/core";
import { suspendOnHost } from "@anyloop/core/lowlevel";
import { Notices } from "./notices.ts";

type Signal = NodeJS.Signals;
type Action = (signal: Signal) => void;

const notForPrograms: ReadonlySet<Signal> = new Set(["SIGKILL", "SIGSTOP"]);

/** Who is open for a signal, and what is to be done where nobody is. */
const receivers = new Set<SignalReceiver>();
const actions = new Map<Action, readonly Signal[]>();

/** Longest delay that hosts keep, in milliseconds. */
const longestDelay = 2_147_483_647;
/** In milliseconds: what was sent before has arrived by then. Deno takes 10 for the first signal after it began to listen. */
const timeToArrive = "Deno" in globalThis ? 50 : 2;

/** Calls back once the signals that were sent before have come, in the host's time; gives what ends the waiting. */
export function afterSignals(callback: () => void): () => void {
  let immediate: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    // After a timer that is late the host has not looked for signals yet; before an immediate it has.
    immediate = setImmediate(callback);
  }, timeToArrive);
  return () => {
    clearTimeout(timer);
    clearImmediate(immediate);
  };
}

/** The same as an operation. */
export function signalsHaveArrived(): Operation<void> {
  return suspendOnHost((waiter) => {
    const stop = afterSignals(() => waiter.resume());
    return () => {
      stop();
      return true;
    };
  });
}

function isReceived(signal: Signal): boolean {
  for (const receiver of receivers) if (receiver.signals.includes(signal)) return true;
  return false;
}

/** Acts on a signal whenever no receiver is open for it; gives what ends that. */
export function whenNotReceived(signals: readonly Signal[], action: Action): () => void {
  const onSignal = (signal: Signal): void => {
    if (!isReceived(signal)) action(signal);
  };
  actions.set(action, signals);
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    actions.delete(action);
    for (const signal of signals) process.off(signal, onSignal);
  };
}

/** A receiver has closed without taking this signal. */
function passOn(signal: Signal): void {
  // Whoever else listens has heard of it when it came.
  if (isReceived(signal)) return;
  for (const [action, signals] of actions) if (signals.includes(signal)) action(signal);
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}

class SignalReceiver extends Notices<Signal> {
  readonly signals: readonly Signal[];
  private readonly onSignal = (signal: Signal): void => this.note(signal, signal);

  constructor(signals: readonly Signal[]) {
    super();
    this.signals = signals;
    for (const signal of signals) process.on(signal, this.onSignal);
    receivers.add(this);
  }

  /** A process does not stay for a signal by itself, but it does for a task that waits for one. */
  protected override *waitForMore(): Coroutine<void> {
    const stay = setInterval(() => {}, longestDelay);
    try {
      yield* super.waitForMore();
    } finally {
      clearInterval(stay);
    }
  }

  protected *release(): Coroutine<void> {
    yield* signalsHaveArrived();
    for (const signal of this.signals) process.off(signal, this.onSignal);
    receivers.delete(this);
    for (const signal of this.pending.values()) passOn(signal);
  }
}

function checkSignals(signals: readonly Signal[]): void {
  if (signals.length === 0)
    throw new UsageError('signals() needs the name of one at least, as in signals("SIGTERM").');
  for (const signal of signals) {
    if (!(signal in constants.signals)) {
      throw new UsageError(
        `There is no signal ${JSON.stringify(signal)} on this system. Give a name such as "SIGTERM".`,
      );
    }
    if (notForPrograms.has(signal)) throw new UsageError(`The system lets no program receive ${signal}.`);
  }
}

/**
 * Receives signals instead of what they do otherwise, from now on until it is closed; best with `use`. A signal that comes
 * again before it was received is given once. While a task waits for one the process stays alive.
 *
 * ```ts
 * import { signals } from "@anyloop/io";
 *
 * await run(use(signals("SIGUSR2"), function* (received) {
 *   process.kill(process.pid, "SIGUSR2");
 *   console.log(yield* received.receive()); // SIGUSR2
 * }));
 * ```
 *
 * @throws UsageError for what is no signal of this system, or none that a program may receive.
 */
export function signals(...names: readonly Signal[]): ObjectReceiveStream<Signal> {
  checkSignals(names);
  return new SignalReceiver([...new Set(names)]);
}
