/**
 * What files should be: a list as `sha256sum` writes it.
 *
 * Invariant: what leaves here has been checked; a mistake names the line.
 */
import { readFile } from "node:fs/promises";
import { UserError } from "./user-error.ts";

/** SHA-256 by file name, in hexadecimal. @throws UserError. */
export async function readChecksums(file: string): Promise<ReadonlyMap<string, string>> {
  let content: string;
  try {
    content = await readFile(file, "utf8");
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new UserError(`${file} cannot be read (${code}). Give a file as sha256sum writes it.`);
  }
  const checksums = new Map<string, string>();
  for (const [index, line] of content.split("\n").entries()) {
    if (line.trim() === "") continue;
    const [, sum, name] = /^([\da-fA-F]{64}) [ *](.+)$/.exec(line.trimEnd()) ?? [];
    if (sum === undefined || name === undefined) {
      throw new UserError(`${file}, line ${index + 1} is not "CHECKSUM  NAME", as sha256sum writes it.`);
    }
    checksums.set(name, sum.toLowerCase());
  }
  return checksums;
}
