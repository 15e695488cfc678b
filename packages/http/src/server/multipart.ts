import type { Handler, Operation } from "@anyloop/core";
export interface MultipartOptions {}
export interface Part {}
export function readMultipart(
  r: any,
  handler: Handler<[part: Part]>,
  options?: MultipartOptions,
): Operation<void> {
  throw new Error();
}
