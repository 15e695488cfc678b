/** Bytes of which each tells where it stands, so that one that is lost, doubled or out of its place is seen. */
import { check } from "./check.ts";

export const mebibyte = 1_048_576;

const pattern = new Uint8Array(mebibyte);
for (let index = 0; index < mebibyte; index++) pattern[index] = index * 31 + (index >> 8);

/** Bytes that tell where they stand, up to a mebibyte. */
export function bytesFrom(start: number, length: number): Uint8Array {
  return pattern.slice(start, start + length);
}

/** Fails unless the bytes are those that stand there. */
export function checkBytes(bytes: Uint8Array, start: number): void {
  let index = 0;
  while (index < bytes.length && bytes[index] === pattern[start + index]) index++;
  check(index === bytes.length, `Byte ${String(start + index)} is not the one that was sent there.`);
}
