export interface StaticFilesOptions {}
export function staticFiles(directory: string, options?: StaticFilesOptions): any {
  throw new Error();
}
