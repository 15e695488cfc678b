/**
 * What goes wrong in TLS.
 *
 * Invariant: a certificate that was refused is told from everything else, since only there a person must decide whom to
 * trust.
 */
import { codeOf, SystemError } from "./system-error.ts";

/** TLS could not be agreed on. `code` is the one of the runtime. */
export class TlsError extends SystemError {
  override readonly name: string = "TlsError";
}

/** The other side's certificate was not accepted: `DEPTH_ZERO_SELF_SIGNED_CERT`, `CERT_HAS_EXPIRED`, `ERR_TLS_CERT_ALTNAME_INVALID`, … */
export class CertificateError extends TlsError {
  override readonly name = "CertificateError";
}

const isAboutCertificate = (code: string): boolean =>
  /CERT|SIGNED|ISSUER|CRL|HOSTNAME|UNABLE_TO_VERIFY/.test(code) && !code.includes("ALERT");

/** The error of a handshake, as this package throws it. */
export function handshakeError(cause: Error): TlsError {
  return isAboutCertificate(codeOf(cause))
    ? new CertificateError("The other side's certificate was not accepted", cause)
    : new TlsError("The TLS handshake failed", cause);
}
