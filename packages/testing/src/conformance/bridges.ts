/** The shapes of bridges, by which the suite can drive both of their sides. */
import type { Body, ObjectReceiveStream, ObjectSendStream, Operation, TaskGroup } from "@anyloop/core";

/** What a bridge holds on the foreign side. */
export interface ForeignSide {
  /** How many listeners, readers, subscriptions or timers of the bridge are registered there now. */
  listeners(): number;
  /** True where errors cross as copies (to another thread or process): the same name and message then, not the same object. */
  readonly copiesErrors?: boolean | undefined;
}

/** Items come from the foreign side to ours. */
export interface InwardBridge {
  readonly ours: ObjectReceiveStream<number>;
  readonly foreign: ForeignSide & {
    /**
     * Offers an item; settles when the foreign side may offer the next. Rejects once nobody will take it: with
     * RunFinishedError, or an error whose `cause` is one, if that is because the run has ended.
     */
    write(item: number): PromiseLike<unknown>;
    /** The foreign side has nothing more. */
    end(): void;
    /** The foreign side has failed. */
    fail(error: Error): void;
    /** Whether it was told that our end is closed. */
    isToldToStop(): boolean;
    /** False where the foreign world can be told to stop, but not why. */
    readonly hearsReasons?: boolean | undefined;
  };
}

/**
 * Items come from a foreign side that cannot be held back: whoever emits events does not ask who is ready for them. The
 * bridge is to be made so that it keeps `capacity` items for a receiver, and breaks at the next.
 */
export interface PushedBridge {
  readonly ours: ObjectReceiveStream<number>;
  readonly capacity: number;
  readonly foreign: ForeignSide & {
    /** Emits an item. */
    emit(item: number): void;
    /** The foreign side has nothing more. Left out where the foreign side has no end. */
    end?(): void;
    /** The foreign side has failed. Left out where it cannot tell. */
    fail?(error: Error): void;
  };
}

/** Items go from our side to the foreign one. */
export interface OutwardBridge {
  readonly ours: ObjectSendStream<number>;
  /** Our side fails: what a program does that hands its own error over. */
  fail(error: Error): void;
  readonly foreign: ForeignSide & {
    /** The next item, or the end. Rejects with the error of our side, or one whose `cause` it is. */
    read(): PromiseLike<{ readonly done: boolean; readonly value: number | undefined }>;
    /** The foreign side wants no more. */
    cancel(reason: Error): void;
    /** False where the foreign world cannot say why it wants no more. */
    readonly givesReasons?: boolean | undefined;
  };
}

/** Foreign work that an operation of ours waits for. */
export interface WorkBridge {
  readonly operation: Operation<string>;
  readonly foreign: ForeignSide & {
    isToldToStop(): boolean;
    /** The work ends with a value. */
    succeed(value: string): void;
    /** The work fails. */
    fail(error: Error): void;
    /** The work ends because it was told to stop. */
    stop(): void;
    /** False where the foreign world itself drops the value of work that was told to stop. */
    readonly givesLateValues?: boolean | undefined;
  };
}

/** How to make each kind of bridge, as far as there is one. What has to run beside it goes into the group. */
export interface Bridges {
  readonly inward?: Body<InwardBridge, [group: TaskGroup]> | undefined;
  readonly pushed?: Body<PushedBridge, [group: TaskGroup]> | undefined;
  readonly outward?: Body<OutwardBridge, [group: TaskGroup]> | undefined;
  readonly work?: Body<WorkBridge, [group: TaskGroup]> | undefined;
}
