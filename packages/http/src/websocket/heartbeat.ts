/**
 * Pings at intervals, and tells when no answer came: a peer that vanished without a word looks like one that is silent.
 *
 * Invariant: at most one timer, which does not keep the process alive, and none after `stop`.
 */
export interface HeartbeatOptions {
  /** Milliseconds from one ping to the next; none are sent if not given. */
  readonly pingInterval?: number | undefined;
  /** Milliseconds that the answer may take; 20 000 if not given. */
  readonly pongTimeout?: number | undefined;
}

export interface Beating {
  ping(): void;
  /** What came in is waiting to be read, so the answer may be among it. */
  isBehind(): boolean;
  /** No answer came in time. */
  dead(): void;
}

export class Heartbeat {
  private readonly interval: number;
  private readonly timeout: number;
  private readonly beating: Beating;
  private timer: ReturnType<typeof setTimeout> | undefined = undefined;
  private isStopped = false;

  constructor({ pingInterval = Infinity, pongTimeout = 20_000 }: HeartbeatOptions, beating: Beating) {
    this.interval = pingInterval;
    this.timeout = pongTimeout;
    this.beating = beating;
    this.pongCame();
  }

  /** The peer lives; the next ping is due an interval from now. */
  pongCame(): void {
    this.arm(this.interval, this.beat);
  }

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  private readonly beat = (): void => {
    this.beating.ping();
    this.arm(this.timeout, this.miss);
  };

  private readonly miss = (): void => {
    if (this.beating.isBehind()) this.arm(this.timeout, this.miss);
    else this.beating.dead();
  };

  private arm(milliseconds: number, callback: () => void): void {
    clearTimeout(this.timer);
    if (this.isStopped || milliseconds === Infinity) return;
    this.timer = setTimeout(callback, milliseconds);
    this.timer.unref();
  }
}
