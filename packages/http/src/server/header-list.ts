/**
 * The header fields of a response: names in any case, in the order in which they were set.
 *
 * Invariant: nothing gets in that could end a line early, so no value of a user's can add a field or a second response.
 */
import { UsageError } from "@anyloop/core";

/** Whatever header fields are written as. */
export type HeadersInit =
  | Readonly<Record<string, string | number | readonly string[] | undefined>>
  | Iterable<readonly [name: string, value: string]>;

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** What a field's value may not have: control characters, of which line ends matter most, and what is not Latin-1. */
const forbidden = /[^\t\x20-\x7e\x80-\xff]/;

function check(name: string, value: string): void {
  if (!token.test(name)) {
    throw new UsageError(
      `${JSON.stringify(name)} is no name of a header field. Use letters, digits and "-".`,
    );
  }
  if (forbidden.test(value)) {
    throw new UsageError(
      `The value of the header field ${name} has a line end, a control character or one beyond Latin-1: ` +
        `${JSON.stringify(value)}. Encode it (encodeURIComponent), or leave it out.`,
    );
  }
}

function isPairs(init: HeadersInit): init is Iterable<readonly [string, string]> {
  return Symbol.iterator in init;
}

export class HeaderList implements Iterable<readonly [name: string, value: string]> {
  private readonly fields: [name: string, value: string][] = [];

  /** @throws UsageError for a name or value that cannot be sent. */
  constructor(init?: HeadersInit) {
    if (init === undefined) return;
    if (isPairs(init)) {
      for (const [name, value] of init) this.append(name, value);
      return;
    }
    for (const name in init) {
      const value = init[name];
      if (typeof value === "string") this.append(name, value);
      else if (typeof value === "number") this.append(name, String(value));
      else for (const item of value ?? []) this.append(name, item);
    }
  }

  /** The value; several fields of one name are joined with commas. */
  get(name: string): string | undefined {
    const wanted = name.toLowerCase();
    const values = this.fields.filter(([own]) => own.toLowerCase() === wanted).map(([, value]) => value);
    return values.length === 0 ? undefined : values.join(", ");
  }

  has(name: string): boolean {
    const wanted = name.toLowerCase();
    for (const [own] of this.fields) {
      if (own.length === wanted.length && own.toLowerCase() === wanted) return true;
    }
    return false;
  }

  /** Replaces what there is of that name. @throws UsageError for what cannot be sent. */
  set(name: string, value: string): this {
    check(name, value);
    return this.delete(name).append(name, value);
  }

  /** Adds a field, besides those of the same name. @throws UsageError for what cannot be sent. */
  append(name: string, value: string): this {
    check(name, value);
    this.fields.push([name, value]);
    return this;
  }

  delete(name: string): this {
    const wanted = name.toLowerCase();
    for (let index = this.fields.length - 1; index >= 0; index--) {
      if (this.fields[index]?.[0].toLowerCase() === wanted) this.fields.splice(index, 1);
    }
    return this;
  }

  [Symbol.iterator](): Iterator<readonly [name: string, value: string]> {
    return this.fields[Symbol.iterator]();
  }

  /** As lines of a head. */
  lines(): string {
    let lines = "";
    for (const [name, value] of this.fields) lines += `${name}: ${value}\r\n`;
    return lines;
  }
}
