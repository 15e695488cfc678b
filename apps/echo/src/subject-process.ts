/** A process with one of the compared servers in it; tells its port, and its CPU time when asked. */
import { type Protocol, type SubjectName, subjects } from "./subjects.ts";

export interface Listening {
  readonly port: number;
}

export interface Usage {
  /** Microseconds of CPU time since the process began, of the system's work for it too. */
  readonly cpu: number;
  /** Bytes of memory that it occupies. */
  readonly memory: number;
}

const [name, protocol] = process.argv.slice(2) as [SubjectName, Protocol];

subjects[name](protocol, (port) => process.send?.({ port } satisfies Listening));
process.on("message", () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpu: user + system, memory: process.memoryUsage.rss() } satisfies Usage);
});
process.on("disconnect", () => process.exit());
