/** Servers of one's own, for tests and to try things out. */
export { LocalServer, LocalServerError, openLocalServer, type ServerProgram } from "./local-server.ts";
