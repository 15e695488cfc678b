/** Patterns of paths: what they are written as, and the parameters that TypeScript reads off them. */
import { UsageError } from "@anyloop/core";

/** The names in `/users/:id/files/*path`. A star alone is called `*`. */
type NamesOf<Path extends string> = Path extends `${infer Head}/${infer Rest}`
  ? NameOf<Head> | NamesOf<Rest>
  : NameOf<Path>;
type NameOf<Segment> = Segment extends `:${infer Name}`
  ? Name
  : Segment extends "*"
    ? "*"
    : Segment extends `*${infer Name}`
      ? Name
      : never;

/** The parameters of a pattern: `{ id: string }` for `/users/:id`. Of a string known only at run time, any names. */
export type ParamsOf<Path extends string> = string extends Path
  ? Readonly<Record<string, string>>
  : { readonly [Name in NamesOf<Path>]: string };

/** A segment of a pattern: text, a parameter, or the rest of the path. */
export type Segment =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "parameter"; readonly name: string }
  | { readonly kind: "rest"; readonly name: string };

/** @throws UsageError for a pattern that is none. */
export function segmentsOf(pattern: string): Segment[] {
  if (!pattern.startsWith("/"))
    throw new UsageError(`The pattern ${JSON.stringify(pattern)} must begin with "/".`);
  const texts = pattern.slice(1).split("/");
  const names = new Set<string>();
  return texts.map((text, index) => {
    const kind = text.startsWith(":") ? "parameter" : text.startsWith("*") ? "rest" : "text";
    if (kind === "text") return { kind, text };
    const name = text === "*" ? "*" : text.slice(1);
    if (name === "" || names.has(name)) {
      throw new UsageError(`The pattern ${pattern} needs a name of its own for each parameter.`);
    }
    names.add(name);
    if (kind === "rest" && index < texts.length - 1) {
      throw new UsageError(
        `In the pattern ${pattern} nothing can come behind ${text}, which takes the rest of the path.`,
      );
    }
    return { kind, name };
  });
}
