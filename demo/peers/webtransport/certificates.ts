/**
 * Certificates for the peers of a development machine.
 *
 * Browsers accept a self-signed certificate for WebTransport when the page pins its digest (serverCertificateHashes),
 * the key is ECDSA P-256 and it is valid for at most 14 days (W3C WebTransport, "custom certificate requirements").
 */
// @peculiar/x509 finds its parts by decorators, which need this before it is loaded.
import "reflect-metadata";
import { createHash } from "node:crypto";
import {
  BasicConstraintsExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

/** One day less than browsers allow, so that clocks may differ. */
const VALID_DAYS = 13;
/** The page's clock may be behind ours. */
const BACKDATED_MS = 60 * 60 * 1000;

export interface Certificate {
  readonly certificatePem: string;
  readonly keyPem: string;
  /** SHA-256 of the DER encoding: what a client pins. */
  readonly sha256: Uint8Array<ArrayBuffer>;
  readonly notAfter: Date;
}

/** Makes a new key and a self-signed certificate for localhost, 127.0.0.1 and `names`. */
export async function createCertificate(names: readonly string[] = []): Promise<Certificate> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const notBefore = new Date(Date.now() - BACKDATED_MS);
  const notAfter = new Date(notBefore.getTime() + VALID_DAYS * 24 * 60 * 60 * 1000);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: "CN=Countersign development",
    notBefore,
    notAfter,
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false),
      new SubjectAlternativeNameExtension([
        { type: "dns", value: "localhost" },
        { type: "ip", value: "127.0.0.1" },
        ...names.map((value) => ({ type: "dns" as const, value })),
      ]),
    ],
  });
  const key = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return {
    certificatePem: certificate.toString("pem"),
    keyPem: `-----BEGIN PRIVATE KEY-----\n${key.toString("base64").replace(/.{64}/g, "$&\n").trimEnd()}\n-----END PRIVATE KEY-----\n`,
    sha256: new Uint8Array(createHash("sha256").update(Buffer.from(certificate.rawData)).digest()),
    notAfter,
  };
}
