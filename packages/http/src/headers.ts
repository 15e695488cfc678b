/**
 * Header fields, of requests and responses, on both sides: names in lower case, in the order in which they came.
 *
 * A flat list of name, value, name, value: there are a dozen of them, and a list of that size is searched faster than a map
 * is made. Invariant: what was set by us can be sent as it is; nothing in it ends a line, so no value of a user's can add a
 * field or a second message.
 */
import { UsageError } from "@anyloop/core";

/** What header fields can be given as. A field that is `undefined` is left out. */
export type HeadersInit =
  | HttpHeaders
  | Headers
  | Readonly<Record<string, string | number | readonly string[] | undefined>>
  | Iterable<readonly [name: string, value: string]>;

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const upperCase = /[A-Z]/;
/** Control characters, of which line ends matter most, and what is not Latin-1. */
const forbidden = /[^\t\u0020-\u007e\u0080-\u00ff]/;

function checkedName(name: string): string {
  if (token.test(name)) return upperCase.test(name) ? name.toLowerCase() : name;
  throw new UsageError(
    `${JSON.stringify(name)} is no name of a header field. Names are letters, digits and a few signs, without spaces or line breaks.`,
  );
}

function checkedValue(name: string, value: string | number): string {
  if (typeof value === "number") return String(value);
  if (typeof value !== "string") {
    throw new UsageError(
      `The value of the header field ${name} is ${value === null ? "null" : `of type ${typeof value}`}. ` +
        "Give a string, a number or an array of strings, or undefined to leave the field out.",
    );
  }
  if (!forbidden.test(value)) return value.trim();
  throw new UsageError(
    `The value of the header field ${name} has a line break, a control character or one beyond Latin-1 in it: ` +
      `${JSON.stringify(value)}. Encode it first (encodeURIComponent, or RFC 8187).`,
  );
}

export class HttpHeaders implements Iterable<[name: string, value: string]> {
  /** @internal Name, value, name, value. */
  list: string[];

  /** @throws UsageError for a name or a value that cannot be sent. */
  constructor(init?: HeadersInit) {
    if (init instanceof HttpHeaders) {
      this.list = init.list.slice();
      return;
    }
    this.list = [];
    if (init === undefined) return;
    if (Symbol.iterator in init) {
      for (const [name, value] of init) this.append(name, value);
      return;
    }
    for (const name of Object.keys(init)) {
      const value = init[name];
      if (Array.isArray(value)) for (const each of value as readonly string[]) this.append(name, each);
      else if (value !== undefined) this.append(name, value as string | number);
    }
  }

  /** @internal Names already in lower case, values that a peer has sent. */
  static received(list: string[]): HttpHeaders {
    const headers = new HttpHeaders();
    headers.list = list;
    return headers;
  }

  /** The value; several are joined by a comma, as in the Fetch standard. Undefined if there is none. */
  get(name: string): string | undefined {
    const { list } = this;
    const wanted = name.toLowerCase();
    let found: string | undefined;
    for (let at = 0; at < list.length; at += 2) {
      if (list[at] !== wanted) continue;
      const value = list[at + 1] as string;
      found = found === undefined ? value : `${found}, ${value}`;
    }
    return found;
  }

  /** Each value by itself: the way to read `set-cookie`. */
  getAll(name: string): string[] {
    const { list } = this;
    const wanted = name.toLowerCase();
    return list.filter((_, at) => at % 2 === 1 && list[at - 1] === wanted);
  }

  has(name: string): boolean {
    return this.indexOf(name.toLowerCase()) >= 0;
  }

  /** Replaces the field. @throws UsageError for a name or a value that cannot be sent. */
  set(name: string, value: string | number): void {
    const checked = checkedName(name);
    const text = checkedValue(checked, value);
    const at = this.indexOf(checked);
    if (at < 0) {
      this.list.push(checked, text);
      return;
    }
    this.list[at + 1] = text;
    this.remove(checked, at + 2);
  }

  /** Adds a field, beside those of the same name. @throws UsageError for a name or a value that cannot be sent. */
  append(name: string, value: string | number): void {
    const checked = checkedName(name);
    this.list.push(checked, checkedValue(checked, value));
  }

  delete(name: string): void {
    this.remove(name.toLowerCase(), 0);
  }

  /** Replaces the fields that `init` has, all of one name by all of that name; the others stay. */
  setAll(init: HeadersInit): void {
    const { list } = init instanceof HttpHeaders ? init : new HttpHeaders(init);
    for (let at = 0; at < list.length; at += 2) this.remove(list[at] as string, 0);
    this.list.push(...list);
  }

  *[Symbol.iterator](): Generator<[name: string, value: string], void, undefined> {
    const { list } = this;
    for (let at = 0; at < list.length; at += 2) yield [list[at] as string, list[at + 1] as string];
  }

  /** @internal As they stand in the head of a message, but for those of these names. */
  lines(without: ReadonlySet<string>): string {
    const { list } = this;
    let lines = "";
    for (let at = 0; at < list.length; at += 2) {
      const name = list[at] as string;
      if (!without.has(name)) lines += `${name}: ${list[at + 1] as string}\r\n`;
    }
    return lines;
  }

  /** As an object; several values of one name are an array. */
  toJSON(): Record<string, string | string[]> {
    const names = new Set(this.list.filter((_, at) => at % 2 === 0));
    return Object.fromEntries(
      [...names].map((name) => {
        const values = this.getAll(name);
        return [name, values.length === 1 ? (values[0] as string) : values];
      }),
    );
  }

  private indexOf(name: string): number {
    const { list } = this;
    for (let at = 0; at < list.length; at += 2) if (list[at] === name) return at;
    return -1;
  }

  private remove(name: string, from: number): void {
    const { list } = this;
    for (let at = list.length - 2; at >= from; at -= 2) if (list[at] === name) list.splice(at, 2);
  }
}
