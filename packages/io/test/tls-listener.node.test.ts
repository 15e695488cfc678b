/** TLS on the side of the server: who is let in, who is cut off, and what a server needs. */
import {
  BrokenResourceError,
  EndOfStream,
  type Operation,
  sleepForever,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import type { TlsStream } from "@anyloop/io";
import {
  CertificateError,
  connectTcp,
  listenTcp,
  tcp,
  tls,
  TlsError,
  TlsListener,
  type TlsClientOptions,
  type TlsServerOptions,
} from "@anyloop/io";
import { expect } from "vitest";
import { authority, certificate, key } from "../../../tools/test-support/certificates.ts";
import { caught, each } from "../../../tools/test-support/each-real.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const text = (data: Uint8Array): string => new TextDecoder().decode(data);

const trusting: TlsClientOptions = { hostname: "localhost", ca: authority };
const server: TlsServerOptions = { key, cert: certificate };

each("connectTcp with tls, and a TlsListener", function* () {
  const plain = yield* listenTcp(0, { host: "127.0.0.1" });
  const listener = new TlsListener(plain, server);
  const port = plain.addresses[0]?.port ?? 0;
  yield* taskGroup(function* (group) {
    group.startSoon(
      listener.serve(function* (stream) {
        yield* stream.send(yield* stream.receive());
      }),
    );
    for (const connect of [
      () => connectTcp("127.0.0.1", port, { tls: { ca: authority } }),
      () => tls(tcp("127.0.0.1", port), trusting).connect(),
    ] as (() => Operation<TlsStream>)[]) {
      const stream = yield* connect();
      yield* stream.send(bytes("echo"));
      expect(text(yield* stream.receive())).toBe("echo");
      expect(yield* caught(stream.receive())).toBeInstanceOf(EndOfStream);
      yield* stream.close();
    }
    group.cancel();
  });
  yield* listener.close();
});

each("a server that cannot work is refused before anybody comes", function* () {
  const plain = yield* listenTcp(0, { host: "127.0.0.1" });
  expect(() => new TlsListener(plain, {})).toThrow(UsageError);
  yield* plain.close();
});

each(
  "keys that cannot be read are refused before anybody comes",
  function* () {
    const plain = yield* listenTcp(0, { host: "127.0.0.1" });
    const rubbish = { key: "rubbish", cert: "rubbish" };
    expect(() => new TlsListener(plain, rubbish)).toThrow(TlsError);
    yield* plain.close();
  },
  { deno: "it reads them when they are used" },
);

each("a client that trusts nobody does not stop the server", function* () {
  const plain = yield* listenTcp(0, { host: "127.0.0.1" });
  const failures: unknown[] = [];
  const listener = new TlsListener(plain, server);
  const port = plain.addresses[0]?.port ?? 0;
  yield* taskGroup(function* (group) {
    group.startSoon(
      listener.serve(
        function* (stream) {
          yield* stream.send(bytes("welcome"));
        },
        { onError: (error) => failures.push(error) },
      ),
    );
    expect(yield* caught(connectTcp("127.0.0.1", port, { tls: true }))).toBeInstanceOf(CertificateError);
    const client = yield* connectTcp("127.0.0.1", port, { tls: { ca: authority } });
    expect(text(yield* client.receive())).toBe("welcome");
    yield* client.close();
    group.cancel();
  });
  yield* listener.close();
  for (const failure of failures) {
    expect(failure instanceof TlsError || failure instanceof BrokenResourceError).toBe(true);
  }
});

each("a client that does not shake hands is cut off, and holds up nobody", function* () {
  const failures: unknown[] = [];
  const plain = yield* listenTcp(0, { host: "127.0.0.1" });
  const listener = new TlsListener(plain, { ...server, handshakeTimeout: 400 });
  const port = plain.addresses[0]?.port ?? 0;
  yield* taskGroup(function* (group) {
    group.startSoon(
      listener.serve(
        function* (stream) {
          yield* stream.send(bytes("welcome"));
          yield* sleepForever();
        },
        { onError: (error) => failures.push(error) },
      ),
    );
    const silent = yield* connectTcp("127.0.0.1", port);
    const polite = yield* connectTcp("127.0.0.1", port, { tls: { ca: authority } });
    expect(text(yield* polite.receive())).toBe("welcome");
    expect(yield* caught(silent.receive())).toBeInstanceOf(EndOfStream);
    expect(failures).toMatchObject([{ name: "TimeoutError" }]);
    yield* silent.close();
    yield* polite.close();
    group.cancel();
  });
  yield* listener.close();
});
