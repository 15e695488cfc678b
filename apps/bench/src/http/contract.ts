/**
 * What every server of the contest does, each as its own documentation writes it: `GET /users/:id` gives the user as JSON,
 * `POST /json` parses a JSON body and gives it back as JSON, `GET /cpu` the processor time of its process. It says its port
 * on its standard output, and ends when its input does.
 */
export const userOf = (id: string): object => ({ id, name: "Ann", roles: ["reader", "writer"] });

/** Microseconds. */
export function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

export function listensOn(port: number): void {
  process.stdout.write(`${String(port)}\n`);
  process.stdin.resume().on("end", () => process.exit());
}
