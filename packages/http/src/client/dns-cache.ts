/**
 * Remembers for a while which addresses a host name has: connections to the same host are often made in bursts.
 *
 * Invariant: only answers are kept, never failures; look-ups of one name that overlap are one look-up.
 */
import type { LookupAddress, LookupOptions } from "node:dns";
import type { LookupFunction } from "node:net";

type Resolve = (
  hostname: string,
  options: LookupOptions & { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;
type Answer = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void;

const mostKept = 1_000;

/** `lookup` for `net.connect`, with a memory of `milliseconds`. */
export function cachedLookup(resolve: Resolve, milliseconds: number): LookupFunction {
  const kept = new Map<string, { readonly addresses: LookupAddress[]; readonly until: number }>();
  const asking = new Map<string, Answer[]>();

  function ask(name: string, key: string, options: LookupOptions, answer: Answer): void {
    const others = asking.get(key);
    if (others !== undefined) {
      others.push(answer);
      return;
    }
    const asked = [answer];
    asking.set(key, asked);
    resolve(name, { ...options, all: true }, (error, addresses) => {
      asking.delete(key);
      if (error === null) {
        if (kept.size >= mostKept) kept.clear();
        kept.set(key, { addresses, until: performance.now() + milliseconds });
      }
      for (const each of asked) each(error, addresses);
    });
  }

  return (name, options, callback) => {
    const give: Answer = (error, addresses) => {
      const [first] = addresses ?? [];
      if (error !== null || first === undefined) callback(error ?? notFound(name), []);
      else if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    };
    const key = `${name} ${String(options.family ?? 0)} ${String(options.hints ?? 0)}`;
    const known = kept.get(key);
    // A callback that comes before `connect` has returned would surprise it.
    if (known !== undefined && known.until > performance.now())
      queueMicrotask(() => give(null, known.addresses));
    else ask(name, key, options, give);
  };
}

function notFound(name: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: "ENOTFOUND", hostname: name });
}
