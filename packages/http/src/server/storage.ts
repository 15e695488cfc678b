/** What an application or a request keeps under typed keys: no string that two modules could both have thought of. */
import { UsageError } from "@anyloop/core";

/**
 * The key of one value of type `T`. Make it once, beside what it stands for.
 *
 * ```ts
 * import { StorageKey } from "@anyloop/http/server";
 * const visits = new StorageKey<number>("visits");
 * console.log(visits.name); // visits
 * ```
 */
export class StorageKey<T> {
  readonly name: string;
  /** Holds the type; there is no such property. */
  declare readonly type: T;

  constructor(name: string) {
    this.name = name;
  }
}

/** Values by their keys. */
export class Storage {
  private readonly values = new Map<StorageKey<unknown>, unknown>();
  private readonly above: Storage | undefined;

  /** What is not found here is looked up in `above`. */
  constructor(above?: Storage) {
    this.above = above;
  }

  /** @throws UsageError if there is no value. */
  get<T>(key: StorageKey<T>): T {
    if (this.values.has(key)) return this.values.get(key) as T;
    if (this.above !== undefined) return this.above.get(key);
    throw new UsageError(
      `Nothing is stored under "${key.name}". Set it, or provide it before the first request comes.`,
    );
  }

  has(key: StorageKey<unknown>): boolean {
    return this.values.has(key) || this.above?.has(key) === true;
  }

  set<T>(key: StorageKey<T>, value: NoInfer<T>): this {
    this.values.set(key, value);
    return this;
  }

  delete(key: StorageKey<unknown>): void {
    this.values.delete(key);
  }
}
