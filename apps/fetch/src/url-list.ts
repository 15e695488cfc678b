/**
 * The URLs to fetch, from arguments, a file or standard input.
 *
 * Invariant: all of them are checked before any is fetched, and a mistake names the place where it was written.
 */
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { UserError } from "./user-error.ts";

/** @param file one URL a line; `-` is standard input. */
export async function readUrls(
  args: readonly string[],
  file: string | undefined,
): Promise<readonly string[]> {
  const fromArgs = args.map((written) => checkUrl(written, ""));
  const urls = file === undefined ? fromArgs : [...fromArgs, ...urlsIn(await contentOf(file), nameOf(file))];
  if (urls.length > 0) return urls;
  throw new UserError(
    `There are no URLs in ${nameOf(file ?? "-")}. Give some as arguments, or one a line; "anyloop-fetch demo" needs none.`,
  );
}

function nameOf(file: string): string {
  return file === "-" ? "standard input" : file;
}

async function contentOf(file: string): Promise<string> {
  if (file === "-") return await text(process.stdin);
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new UserError(
      `${file} cannot be read (${code}). Give a file with one URL a line, or "-" for standard input.`,
    );
  }
}

function urlsIn(content: string, source: string): readonly string[] {
  return content.split("\n").flatMap((line, index) => {
    const written = line.trim();
    return written === "" || written.startsWith("#")
      ? []
      : [checkUrl(written, `${source}, line ${index + 1}: `)];
  });
}

function checkUrl(written: string, place: string): string {
  const quoted = JSON.stringify(written);
  const url = URL.parse(written);
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw new UserError(
      `${place}${quoted} is not an http or https URL. Write it in full, as in "https://example.com/".`,
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new UserError(
      `${place}${quoted} has a user name or password in it, which fetch refuses. Leave it out.`,
    );
  }
  return url.href;
}
