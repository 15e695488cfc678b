/**
 * Notes which host timers a piece of a program sets and does not clear, and where it set them.
 *
 * Invariant: a timer is noted from the call that sets it until it fires or is cleared. `end()` gives the globals back,
 * unless somebody has put others in their place meanwhile (fake timers); what is left of ours then only passes on.
 */
type Timer = ReturnType<typeof setTimeout>;
type Setter = (callback: (...args: unknown[]) => void, ...rest: unknown[]) => Timer;
type Clearer = (timer: Timer | undefined) => void;

interface Timers {
  setTimeout: Setter;
  setInterval: Setter;
  clearTimeout: Clearer;
  clearInterval: Clearer;
}

const globals = globalThis as unknown as Timers;
const names = ["setTimeout", "setInterval", "clearTimeout", "clearInterval"] as const;

export class TimerWatch {
  private readonly set = new Map<Timer, { readonly place: string; readonly milliseconds: number }>();
  private readonly original: Timers;
  private readonly mine: Timers;
  private ended = false;

  constructor() {
    const { setTimeout, setInterval, clearTimeout, clearInterval } = globals;
    this.original = { setTimeout, setInterval, clearTimeout, clearInterval };
    const clear = (original: Clearer): Clearer => {
      return (timer) => {
        if (timer !== undefined) this.set.delete(timer);
        original(timer);
      };
    };
    this.mine = {
      setTimeout: (callback, ...rest) => {
        if (this.ended || typeof callback !== "function") return setTimeout(callback, ...rest);
        const fire = (...args: unknown[]): void => {
          this.set.delete(timer);
          callback(...args);
        };
        const timer = setTimeout(fire, ...rest);
        return this.note(timer, "setTimeout", rest[0]);
      },
      setInterval: (callback, ...rest) => {
        const timer = setInterval(callback, ...rest);
        return this.ended ? timer : this.note(timer, "setInterval", Infinity);
      },
      clearTimeout: clear(clearTimeout),
      clearInterval: clear(clearInterval),
    };
    // What hangs on the originals, like Node's promisified form, goes with them.
    for (const name of names) {
      Object.defineProperties(this.mine[name], Object.getOwnPropertyDescriptors(this.original[name]));
    }
    Object.assign(globals, this.mine);
  }

  /** What is still set and keeps the host, in words. */
  pending(): string[] {
    return [...this.set].filter(([timer]) => keepsHost(timer)).map(([, { place }]) => place);
  }

  /** Whether one is set that fires as soon as the host comes to it. */
  get isAnyDue(): boolean {
    return [...this.set.values()].some(({ milliseconds }) => milliseconds <= 1);
  }

  /** Stops watching; what is still set is cleared. */
  end(): void {
    this.ended = true;
    for (const name of names) {
      if (globals[name] === this.mine[name]) Object.assign(globals, { [name]: this.original[name] });
    }
    // Called by itself: browsers refuse a host function that is called as a method of another object.
    const { clearTimeout } = this.original;
    for (const timer of this.set.keys()) clearTimeout(timer);
  }

  private note(timer: Timer, kind: string, delay: unknown): Timer {
    // Above it on the stack: this method, and the function that stands in for the global.
    const place = (new Error().stack ?? "").split("\n")[3]?.trim();
    const milliseconds = typeof delay === "number" ? delay : 0;
    this.set.set(timer, { place: place === undefined ? kind : `${kind}, set ${place}`, milliseconds });
    return timer;
  }
}

/** Node's timers can be told not to keep the process (`unref`), and say that they were closed in the same way. */
function keepsHost(timer: Timer): boolean {
  const { hasRef } = timer as { hasRef?: () => boolean };
  return hasRef === undefined || hasRef.call(timer);
}
