/**
 * Finding the route of a path, in time that depends on the path and not on the number of routes.
 *
 * Invariant: of the patterns that match, text wins over a parameter and a parameter over the rest of a path, segment by
 * segment from the left; the order in which routes were added does not matter.
 */
import { UsageError } from "@anyloop/core";
import { HttpError } from "./http-error.ts";
import { type Segment, segmentsOf } from "./path-pattern.ts";

/** What is found: the routes of a path by their methods, and the parameters. */
export interface Found<R> {
  readonly methods: ReadonlyMap<string, R>;
  readonly params: Readonly<Record<string, string>>;
}

interface Leaf<R> {
  readonly pattern: string;
  readonly names: readonly string[];
  readonly methods: Map<string, R>;
}

class Node<R> {
  readonly texts = new Map<string, Node<R>>();
  parameter: Node<R> | undefined = undefined;
  rest: Node<R> | undefined = undefined;
  leaf: Leaf<R> | undefined = undefined;

  below(segment: Segment): Node<R> {
    if (segment.kind === "parameter") return (this.parameter ??= new Node());
    if (segment.kind === "rest") return (this.rest ??= new Node());
    const { text } = segment;
    let node = this.texts.get(text);
    if (node === undefined) this.texts.set(text, (node = new Node()));
    return node;
  }
}

const noParams: Readonly<Record<string, string>> = Object.freeze({});

export class RouteTree<R> {
  private readonly root = new Node<R>();
  /** Paths without parameters, whole: most requests need no walk. */
  private readonly plain = new Map<string, Found<R>>();

  /** @throws UsageError for a bad pattern, or if there is such a route already. */
  add(method: string, pattern: string, route: R): void {
    const segments = segmentsOf(pattern);
    const node = segments.reduce((above, segment) => above.below(segment), this.root);
    const names = segments.flatMap((segment) => (segment.kind === "text" ? [] : [segment.name]));
    const leaf = (node.leaf ??= { pattern, names, methods: new Map() });
    if (leaf.methods.has(method) || leaf.pattern !== pattern) {
      throw new UsageError(
        `${method} ${pattern} is there already, as ${leaf.pattern}. Give the parameters of one path one set of names.`,
      );
    }
    leaf.methods.set(method, route);
    if (names.length === 0) this.plain.set(pattern, { methods: leaf.methods, params: noParams });
  }

  /** @throws HttpError 400 for a parameter that cannot be decoded. */
  find(path: string): Found<R> | undefined {
    const plain = this.plain.get(path);
    if (plain !== undefined) return plain;
    const values: string[] = [];
    const leaf = find(this.root, path, 1, values);
    if (leaf === undefined) return undefined;
    const params: Record<string, string> = {};
    for (const [index, name] of leaf.names.entries()) params[name] = decode(values[index] as string);
    return { methods: leaf.methods, params };
  }
}

function find<R>(node: Node<R>, path: string, from: number, values: string[]): Leaf<R> | undefined {
  if (from > path.length) return node.leaf;
  const slash = path.indexOf("/", from);
  const end = slash < 0 ? path.length : slash;
  const text = path.slice(from, end);
  const next = node.texts.get(text);
  let found = next === undefined ? undefined : find(next, path, end + 1, values);
  if (found === undefined && node.parameter !== undefined && text !== "") {
    values.push(text);
    found = find(node.parameter, path, end + 1, values);
    if (found === undefined) values.pop();
  }
  if (found === undefined && node.rest?.leaf !== undefined) {
    values.push(path.slice(from));
    found = node.rest.leaf;
  }
  return found;
}

function decode(value: string): string {
  if (!value.includes("%")) return value;
  try {
    return decodeURIComponent(value);
  } catch (error) {
    throw new HttpError(400, "The path is not encoded as a URL's must be.", { cause: error });
  }
}
