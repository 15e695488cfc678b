/** What both sides of the opening handshake share: RFC 6455, section 4. */
import { type PerMessageDeflate, wsParts } from "./ws-parts.ts";

const magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** What a server answers to a client's key. */
export function acceptKey(key: string): string {
  return process
    .getBuiltinModule("node:crypto")
    .createHash("sha1")
    .update(key + magic)
    .digest("base64");
}

export function newCompression(isServer: boolean, maxMessageBytes = 1_048_576): PerMessageDeflate {
  return new wsParts.PerMessageDeflate({
    isServer,
    maxPayload: maxMessageBytes === Infinity ? 0 : maxMessageBytes,
  });
}

/** Agrees on compression if the header offers or answers it; gives the header of our answer. @throws Error. */
export function agreeOnCompression(compression: PerMessageDeflate, header: string): string | undefined {
  const { extensionName } = wsParts.PerMessageDeflate;
  const offers = wsParts.extension.parse(header)[extensionName];
  if (offers === undefined) return undefined;
  return wsParts.extension.format({ [extensionName]: [compression.accept(offers)] });
}
