/** What the tests of processes share. */
import {
  type ByteReceiveStream,
  type Coroutine,
  EndOfStream,
  type Operation,
  operation,
} from "@anyloop/core";

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

export const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Whether a process is known to the system, as a zombie as well. */
export function isKnown(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A shell that says "ready" and does as it is told from then on. */
export const shell = (script: string): ["sh", "-c", string] => ["sh", "-c", script];

export const readAll: (stream: ByteReceiveStream) => Operation<Uint8Array> = operation(function* readAll(
  stream: ByteReceiveStream,
): Coroutine<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (;;) {
    try {
      chunks.push(yield* stream.receive());
    } catch (error) {
      if (error instanceof EndOfStream) return Buffer.concat(chunks);
      throw error;
    }
  }
});

export function warningsDuring(): { readonly texts: string[]; stop(): void } {
  const texts: string[] = [];
  const note = (warning: Error & { code?: string }): void => {
    if (warning.code === "ANYLOOP_PROCESS_KILLED") texts.push(warning.message);
  };
  process.on("warning", note);
  return { texts, stop: () => process.off("warning", note) };
}
