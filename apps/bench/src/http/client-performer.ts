/**
 * One client of the contest, in a process of its own: `client-performer NAME URL`. For each line on its standard input,
 * which is how many requests to make and how many at a time, it prints the processor time of one in microseconds.
 *
 * Invariant: each reads the whole answer as JSON and looks at it, as its own documentation writes it, on a pool of as many
 * connections as there are requests at a time.
 */
import { createInterface } from "node:readline";
import { ClientSession } from "@anyloop/http";
import { type Backend, type Coroutine, kernel, native, operation, run, taskGroup, use } from "anyloop";
import axios from "axios";
import got from "got";
import ky from "ky";
import { Pool } from "undici";
import { cpuTime } from "./contract.ts";

interface User {
  readonly id: string;
}

type Ask = () => Promise<unknown>;
/** Makes so many requests, so many at a time. */
type Perform = (count: number, atOnce: number) => Promise<void>;

function check(user: unknown): void {
  if ((user as User).id !== "1") throw new Error("The answer is wrong.");
}

/** So many loops that ask one after the other. */
function inLoops(ask: Ask): Perform {
  return async (count, atOnce) => {
    const loop = async (): Promise<void> => {
      for (let made = 0; made < count / atOnce; made++) check(await ask());
    };
    await Promise.all(Array.from({ length: atOnce }, loop));
  };
}

const loop = operation(function* loop(session: ClientSession, url: string, count: number): Coroutine<void> {
  for (let made = 0; made < count; made++) {
    const response = yield* session.get(url);
    check(yield* response.json<User>());
  }
});

const perform = operation(function* perform(
  session: ClientSession,
  url: string,
  count: number,
  atOnce: number,
): Coroutine<void> {
  yield* taskGroup((group) => {
    for (let index = 0; index < atOnce; index++) group.startSoon(loop(session, url, count / atOnce));
  });
});

function anyloop(backend: Backend, url: string): Perform {
  return (count, atOnce) =>
    run(
      use(new ClientSession({ maxConnections: atOnce }), (session) => perform(session, url, count, atOnce)),
      { backend },
    );
}

function undici(url: string): Perform {
  const { origin, pathname } = new URL(url);
  return async (count, atOnce) => {
    const pool = new Pool(origin, { connections: atOnce });
    await inLoops(async () => await (await pool.request({ path: pathname, method: "GET" })).body.json())(
      count,
      atOnce,
    );
    await pool.close();
  };
}

const contestants: Readonly<Record<string, (url: string) => Perform>> = {
  undici,
  kernel: (url) => anyloop(kernel(), url),
  native: (url) => anyloop(native(), url),
  fetch: (url) =>
    inLoops(async () => {
      const user: unknown = await (await fetch(url)).json();
      return user;
    }),
  axios: (url) => inLoops(async () => (await axios.get<User>(url)).data),
  got: (url) => inLoops(() => got(url).json()),
  ky: (url) => inLoops(() => ky(url).json()),
};

const [name = "", url = ""] = process.argv.slice(2);
const performs = contestants[name]?.(url);
if (performs === undefined) throw new Error(`There is no client ${JSON.stringify(name)}.`);
for await (const line of createInterface({ input: process.stdin })) {
  const [count = 0, atOnce = 1] = line.split(" ").map(Number);
  const before = cpuTime();
  await performs(count, atOnce);
  console.log((cpuTime() - before) / count);
}
process.exit();
