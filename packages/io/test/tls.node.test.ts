/** What TLS adds: certificates, ALPN, the end that is said or cut, and getting out of it again. */
import { connect as connectRaw, createServer as createRaw } from "node:tls";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import {
  all,
  allSettled,
  BrokenResourceError,
  type ByteStream,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  fromPromise,
  operation,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { waitAllTasksBlocked } from "@anyloop/testing";
import {
  CertificateError,
  connectTcp,
  listenTcp,
  TlsError,
  type TlsClientOptions,
  type TlsServerOptions,
  TlsStream,
} from "@anyloop/io";
import { expect } from "vitest";
import { authority, certificate, expired, key } from "../../../tools/test-support/certificates.ts";
import { caught, each } from "../../../tools/test-support/each-real.ts";
import { memoryPair } from "./pairs.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const text = (data: Uint8Array): string => new TextDecoder().decode(data);

const trusting: TlsClientOptions = { hostname: "localhost", ca: authority };

const server: TlsServerOptions = { key, cert: certificate };

interface Sides {
  readonly client: TlsStream;
  readonly server: TlsStream;
  readonly clientTransport: ByteStream;
  readonly serverTransport: ByteStream;
}

const open = operation(function* open(
  clientOptions: TlsClientOptions = {},
  serverOptions: Partial<TlsServerOptions> = {},
): Coroutine<Sides> {
  const [clientTransport, serverTransport] = memoryPair();
  const [client, far] = yield* all([
    TlsStream.wrap(clientTransport, { ...trusting, ...clientOptions }),
    TlsStream.wrap(serverTransport, { serverSide: true, ...server, ...serverOptions }),
  ]);
  return { client, server: far, clientTransport, serverTransport };
});

/** How the handshake ended on the client's side, while the server's may fail as well. */
function* refusedBy(clientOptions: TlsClientOptions, serverOptions: TlsServerOptions): Coroutine<unknown> {
  const [near, far] = memoryPair();
  const [client] = yield* allSettled([
    TlsStream.wrap(near, clientOptions),
    TlsStream.wrap(far, { serverSide: true, ...serverOptions }),
  ]);
  expect(client.status).toBe("rejected");
  return client.status === "rejected" ? (client.reason as unknown) : undefined;
}

each("what the two sides agreed on can be asked", function* () {
  const { client, server: far } = yield* open({ alpn: ["h2", "http/1.1"] }, { alpn: ["http/1.1"] });
  expect([client.alpnProtocol, far.alpnProtocol]).toEqual(["http/1.1", "http/1.1"]);
  expect([client.version, far.version]).toEqual(["TLSv1.3", "TLSv1.3"]);
  expect(client.peerCertificate?.subject.CN).toBe("localhost");
  expect(far.peerCertificate).toBeUndefined();
  yield* all([client.close(), far.close()]);
});

each("without ALPN there is no protocol", function* () {
  const { client, server: far } = yield* open();
  expect([client.alpnProtocol, far.alpnProtocol]).toEqual([undefined, undefined]);
  yield* all([client.close(), far.close()]);
});

const refusals: Readonly<Record<string, readonly [TlsClientOptions, TlsServerOptions, string | RegExp]>> = {
  "nobody we trust has signed": [{ hostname: "localhost" }, server, /UNABLE_TO_VERIFY|SELF_SIGNED/],
  "has another name": [{ ...trusting, hostname: "example.org" }, server, "ERR_TLS_CERT_ALTNAME_INVALID"],
  "has expired": [trusting, { key, cert: expired }, "CERT_HAS_EXPIRED"],
};

for (const [problem, [clientOptions, serverOptions, code]] of Object.entries(refusals)) {
  each(
    `a certificate that ${problem} is a CertificateError`,
    function* () {
      const error = (yield* refusedBy(clientOptions, serverOptions)) as CertificateError;
      expect(error).toBeInstanceOf(CertificateError);
      expect(error.code).toMatch(code);
      expect(error.message).toMatch(/certificate was not accepted/);
      expect(error.cause).toBeInstanceOf(Error);
    },
    { deno: problem === "has expired" && "it calls every certificate it refuses unverified" },
  );
}

each("verify: false takes any certificate", function* () {
  const { client, server: far } = yield* open({ ca: undefined, hostname: "example.org", verify: false });
  yield* client.send(bytes("secret"));
  expect(text(yield* far.receive())).toBe("secret");
  yield* all([client.close(), far.close()]);
});

each(
  "versions that do not meet are a TlsError",
  function* () {
    const error = yield* refusedBy(
      { ...trusting, maxVersion: "TLSv1.2" },
      { ...server, minVersion: "TLSv1.3" },
    );
    expect(error).toBeInstanceOf(TlsError);
    expect(error).not.toBeInstanceOf(CertificateError);
  },
  { deno: "it hangs up without a word" },
);

each(
  "options that cannot be used are a TlsError",
  function* () {
    const [near] = memoryPair();
    const error = yield* caught(TlsStream.wrap(near, { ...trusting, key: "no key", cert: "no certificate" }));
    expect(error).toBeInstanceOf(TlsError);
    yield* near.close();
  },
  { deno: "it looks at keys when they are used" },
);

each("a peer that speaks no TLS is a TlsError; one that hangs up is broken", function* () {
  for (const [says, type] of [
    ["HTTP/1.1 400 Bad Request\r\n\r\n", TlsError],
    ["", BrokenResourceError],
  ] as const) {
    const [near, far] = memoryPair();
    yield* taskGroup(function* (group) {
      group.startSoon(function* () {
        yield* far.receive();
        if (says !== "") yield* far.send(bytes(says));
        yield* far.close();
      });
      expect(yield* caught(TlsStream.wrap(near, trusting))).toBeInstanceOf(type);
    });
    // What cannot be secured is closed.
    expect(yield* caught(near.receive())).toBeInstanceOf(ClosedResourceError);
  }
});

for (const standardCompatible of [true, false]) {
  const outcome = standardCompatible ? BrokenResourceError : EndOfStream;
  each(
    `a connection that is cut: ${outcome.name} if standardCompatible is ${String(standardCompatible)}`,
    function* () {
      const sides = yield* open({ standardCompatible });
      yield* sides.server.send(bytes("last"));
      yield* sides.serverTransport.close();
      expect(text(yield* sides.client.receive())).toBe("last");
      for (let count = 0; count < 2; count++) {
        expect(yield* caught(sides.client.receive())).toBeInstanceOf(outcome);
      }
      yield* sides.client.close();
      yield* sides.server.close();
    },
  );
}

each("a connection that is ended in TLS ends, in either mode", function* () {
  for (const standardCompatible of [true, false]) {
    const sides = yield* open({ standardCompatible });
    yield* all([
      sides.server.close(),
      function* () {
        expect(yield* caught(sides.client.receive())).toBeInstanceOf(EndOfStream);
      },
    ]);
    yield* sides.client.close();
  }
});

each("unwrap: both sides go on without TLS, and nothing that follows it is lost", function* () {
  const sides = yield* open();
  yield* sides.client.send(bytes("secret"));
  expect(text(yield* sides.server.receive())).toBe("secret");
  // The plain text comes in one piece with the end of TLS.
  const glue = sides.serverTransport.send.bind(sides.serverTransport);
  const [near, far] = yield* all([
    sides.client.unwrap(),
    function* () {
      const held: Uint8Array[] = [];
      sides.serverTransport.send = (data) => send(held, data);
      const unwrapped = yield* sides.server.unwrap();
      yield* glue(Buffer.concat([...held, bytes("plain")]));
      return unwrapped;
    },
  ]);
  expect(near.stream).toBe(sides.clientTransport);
  expect(text(near.rest)).toBe("plain");
  sides.serverTransport.send = glue;
  expect(far.rest.length).toBe(0);
  yield* near.stream.send(bytes("answer"));
  expect(text(yield* far.stream.receive())).toBe("answer");
  expect(yield* caught(sides.client.send(bytes("x")))).toBeInstanceOf(ClosedResourceError);
  yield* near.stream.close();
  yield* far.stream.close();
});

const send = operation(function* send(held: Uint8Array[], data: Uint8Array): Coroutine<void> {
  held.push(data.slice());
});

each("unwrap can be cancelled, and called again", function* () {
  const sides = yield* open();
  const scope = new CancelScope();
  yield* taskGroup(function* (group) {
    group.startSoon(scope.run(sides.client.unwrap()));
    yield* waitAllTasksBlocked();
    scope.cancel();
  });
  expect(scope.cancelledCaught).toBe(true);
  const [near, far] = yield* all([sides.client.unwrap(), sides.server.unwrap()]);
  yield* near.stream.send(bytes("plain"));
  expect(text(yield* far.stream.receive())).toBe("plain");
  yield* near.stream.close();
  yield* far.stream.close();
});

each("unwrap of a connection that is cut is broken", function* () {
  const sides = yield* open();
  yield* sides.serverTransport.close();
  expect(yield* caught(sides.client.unwrap())).toBeInstanceOf(BrokenResourceError);
  yield* sides.client.close();
  yield* sides.server.close();
});

each("a task that receives does not hold up one that sends, nor the other way round", function* () {
  const { client, server: far } = yield* open();
  yield* taskGroup(function* (group) {
    const receiving = group.startSoon(client.receive());
    yield* waitAllTasksBlocked();
    group.startSoon(function* () {
      for (let count = 0; count < 10; count++) yield* client.send(bytes(`${String(count)} `));
    });
    let received = "";
    while (received.length < 20) received += text(yield* far.receive());
    expect(received).toBe("0 1 2 3 4 5 6 7 8 9 ");
    yield* far.send(bytes("done"));
    expect(text(yield* receiving.join())).toBe("done");
  });
  yield* all([client.close(), far.close()]);
});

each("a handshake that fails or is cancelled closes what TLS should have run over", function* () {
  const [near, far] = memoryPair();
  const scope = new CancelScope();
  yield* taskGroup(function* (group) {
    group.startSoon(scope.run(TlsStream.wrap(near, trusting)));
    yield* waitAllTasksBlocked();
    scope.cancel();
  });
  expect(scope.cancelledCaught).toBe(true);
  expect(yield* caught(near.receive())).toBeInstanceOf(ClosedResourceError);
  yield* far.close();
});

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  each(
    `a server that wants a certificate of its client says so: a typed error with its code, ${maxVersion}`,
    function* () {
      const options = { key, cert: certificate, requestCert: true, rejectUnauthorized: true, maxVersion };
      const strict = createRaw(options, (socket) => socket.end("welcome")).on("tlsClientError", () => {});
      yield* fromPromise(once(strict.listen(0, "127.0.0.1"), "listening"));
      const { port } = strict.address() as AddressInfo;
      const talk = operation(function* (): Coroutine<void> {
        const client = yield* connectTcp("127.0.0.1", port, { tls: { ca: authority } });
        try {
          yield* client.receive();
        } finally {
          yield* client.close();
        }
      });
      const error = (yield* caught(talk())) as Error;
      // In TLS 1.3 a client has done its part of the handshake before the server looks at it.
      expect(error).toBeInstanceOf(maxVersion === "TLSv1.2" ? TlsError : BrokenResourceError);
      expect(error).not.toBeInstanceOf(CertificateError);
      expect((error.cause as { code?: string }).code).toMatch(
        /ALERT_(HANDSHAKE_FAILURE|CERTIFICATE_REQUIRED)/,
      );
      if (maxVersion === "TLSv1.3") expect(error.message).toContain("Pass key and cert");
      strict.close();
    },
  );
}

each("a client must say whose certificate it wants, or that any will do", function* () {
  const [near, far] = memoryPair();
  const error = yield* caught(TlsStream.wrap(near, { ca: authority }));
  expect(error).toBeInstanceOf(UsageError);
  expect(String(error)).toContain("hostname");
  // As after every failure, nothing is left open.
  expect(yield* caught(near.receive())).toBeInstanceOf(ClosedResourceError);
  yield* far.close();
});

each("it speaks with the runtime's own TLS, as client and as server", function* () {
  const echo = createRaw({ key, cert: certificate }, (socket) => socket.pipe(socket));
  yield* fromPromise(once(echo.listen(0, "127.0.0.1"), "listening"));
  const client = yield* connectTcp("127.0.0.1", (echo.address() as AddressInfo).port, {
    tls: { ca: authority },
  });
  const big = Uint8Array.from({ length: 100_000 }, (_, index) => index & 255);
  yield* taskGroup(function* (group) {
    group.startSoon(client.send(big));
    const chunks: Uint8Array[] = [];
    for (let size = 0; size < big.length; size += chunks.at(-1)?.length ?? 0)
      chunks.push(yield* client.receive());
    expect(Buffer.compare(Buffer.concat(chunks), big)).toBe(0);
  });
  yield* client.close();
  echo.close();

  const plain = yield* listenTcp(0, { host: "127.0.0.1" });
  const socket = connectRaw({ port: plain.addresses[0]?.port ?? 0, host: "127.0.0.1", ca: authority });
  const far = yield* TlsStream.wrap(yield* plain.accept(), { serverSide: true, ...server });
  socket.end("from the runtime");
  expect(text(yield* far.receive())).toBe("from the runtime");
  expect(yield* caught(far.receive())).toBeInstanceOf(EndOfStream);
  yield* far.close();
  yield* plain.close();
});
