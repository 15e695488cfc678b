/**
 * Price sources to try the dashboard with, each with faults of its own: one is quick, one slow, one fails now and then,
 * one now and then says nothing at all. They are a server like any other, so all that is between is real.
 */
import { type Coroutine, sleep, sleepForever } from "anyloop";
import { Application, HttpError, ServerResponse, type ServerRequest } from "@anyloop/http/server";

/** How a source behaves. */
interface Manner {
  /** Milliseconds until it answers, at least and at most. */
  readonly delay: readonly [least: number, most: number];
  /** The share of questions that are answered with an error. */
  readonly errors: number;
  /** The share of questions that are not answered. */
  readonly silence: number;
}

const manners: Readonly<Record<string, Manner>> = {
  swift: { delay: [5, 30], errors: 0, silence: 0 },
  steady: { delay: [50, 120], errors: 0, silence: 0 },
  slow: { delay: [400, 900], errors: 0, silence: 0 },
  flaky: { delay: [20, 80], errors: 0.25, silence: 0 },
  moody: { delay: [20, 80], errors: 0.05, silence: 0.15 },
  crowded: { delay: [20, 700], errors: 0.05, silence: 0.02 },
};

export const bundledNames: readonly string[] = Object.keys(manners);

/** The same sequence of numbers from 0 to 1 for the same seed (mulberry32, by Tommy Ettinger). */
function drawing(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

class BundledSource {
  /** Answers with nothing but errors, until told otherwise. */
  isDead = false;
  private readonly manner: Manner;
  private readonly draw: () => number;
  private price: number;

  constructor(manner: Manner, seed: number) {
    this.manner = manner;
    this.draw = drawing(seed);
    this.price = 90 + 20 * this.draw();
  }

  *answer(): Coroutine<ServerResponse> {
    const { delay, errors, silence } = this.manner;
    const [least, most] = delay;
    yield* sleep(least + (most - least) * this.draw());
    const fate = this.draw();
    if (this.isDead || fate < errors) throw new HttpError(503, "The exchange is closed.");
    if (fate < errors + silence) yield* sleepForever();
    this.price *= 1 + (this.draw() - 0.5) / 50;
    return ServerResponse.json({ price: Math.round(this.price * 100) / 100 });
  }
}

/**
 * `GET /prices/NAME` asks a source. `PUT` and `DELETE /deaths/NAME` end it and bring it back.
 * The same seed gives the same prices and faults.
 */
export function bundledSources(seed: number): Application {
  const sources = new Map(
    Object.entries(manners).map(([name, manner], index) => [name, new BundledSource(manner, seed + index)]),
  );
  const find = (request: ServerRequest<{ readonly name: string }>): BundledSource => {
    const source = sources.get(request.params.name);
    if (source === undefined) throw new HttpError(404);
    return source;
  };
  return new Application()
    .get("/prices/:name", (request) => find(request).answer(), { cancelOnDisconnect: true })
    .put("/deaths/:name", (request) => {
      find(request).isDead = true;
      return ServerResponse.empty();
    })
    .delete("/deaths/:name", (request) => {
      find(request).isDead = false;
      return ServerResponse.empty();
    });
}
