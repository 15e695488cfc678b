/**
 * Where prices come from: any URL that answers with JSON.
 *
 * Invariant: what leaves `readSources` has been checked; every mistake is a `UserError` that says what to write instead.
 */
import { type Coroutine, isCancelled, operation, type Operation } from "anyloop";
import { readText, SystemError } from "@anyloop/io";
import type { ClientSession } from "@anyloop/http";
import { UserError } from "./user-error.ts";

export interface Source {
  readonly name: string;
  readonly url: string;
  /** The names and numbers that lead to the price in the answer, as in `["data", 0, "price"]`. */
  readonly path: readonly (string | number)[];
}

const example = '[{ "name": "one", "url": "https://example.org/price", "path": ["price"] }]';

/** @throws UserError. */
export const readSources: (file: string) => Operation<readonly Source[]> = operation(function* readSources(
  file: string,
): Coroutine<readonly Source[]> {
  let text: string;
  try {
    text = yield* readText(file);
  } catch (error) {
    throw error instanceof SystemError ? new UserError(error.message) : error;
  }
  return checked(parse(text, file), file);
});

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`${file} is not JSON: ${(error as Error).message}. It should look like ${example}`);
  }
}

function checked(value: unknown, file: string): readonly Source[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new UserError(`${file} has no list of sources. It should look like ${example}`);
  }
  const sources = value.map((entry, index) => checkedSource(entry, `Source ${index + 1} of ${file}`));
  const names = new Set<string>();
  for (const { name } of sources) {
    if (names.has(name)) throw new UserError(`Two sources of ${file} are called ${JSON.stringify(name)}.`);
    names.add(name);
  }
  return sources;
}

function checkedSource(entry: unknown, where: string): Source {
  const { name, url, path = ["price"] } = (entry ?? {}) as Record<string, unknown>;
  if (typeof name !== "string" || name === "") throw new UserError(`${where} has no name.`);
  if (typeof url !== "string" || !/^https?:$/.test(URL.parse(url)?.protocol ?? "")) {
    throw new UserError(`${where} has no URL that begins with http:// or https://.`);
  }
  if (!Array.isArray(path) || !path.every((step) => typeof step === "string" || Number.isInteger(step))) {
    throw new UserError(`The path of ${name} is no list of names and numbers, such as ["data", 0, "price"].`);
  }
  return { name, url, path: path as readonly (string | number)[] };
}

/** Asks a source for its price. @throws what the session throws, and an `Error` for an answer without a price. */
export const askPrice: (session: ClientSession, source: Source) => Operation<number> = operation(
  function* askPrice(session: ClientSession, { url, path }: Source): Coroutine<number> {
    const response = yield* session.get(url);
    response.throwForStatus();
    let value: unknown = yield* response.json();
    for (const step of path) value = (value as Record<string, unknown> | null | undefined)?.[step];
    const price = typeof value === "string" && value !== "" ? Number(value) : value;
    if (typeof price !== "number" || !Number.isFinite(price)) {
      throw new Error(`The answer has no price at ${path.join(".")}.`);
    }
    return price;
  },
);

/** One line for a person. */
export function problemOf(error: unknown): string {
  if (isCancelled(error)) throw error;
  const [line] = (error instanceof Error ? error.message : String(error)).split("\n");
  return line as string;
}
