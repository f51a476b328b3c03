// The HTTP server, plain or over TLS, with a certificate that is read again when its files change.

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createSecureContext } from "node:tls";
import { MoloraError } from "../proto/errors.ts";
import { watchFiles } from "./watched_files.ts";

export interface TlsFiles {
  /** PEM: the certificate, and behind it those that sign it. */
  certFile: string;
  /** PEM: its private key. */
  keyFile: string;
  /** Told when the files changed and were taken over, or why they were not: the certificate stays the old one then. */
  onReload?: (error?: MoloraError) => void;
}

/** Milliseconds a peer has for its handshake. */
const HANDSHAKE_MS = 15_000;

/** `stop` ends the watch over the files. @throws MoloraError `bad_arguments` for a certificate that cannot be used. */
export function openHttp(tls: TlsFiles | undefined, handler: RequestListener): { http: Server; stop: () => void } {
  if (tls === undefined) return { http: createServer(handler), stop: () => {} };
  const http = createTlsServer({ ...readPair(tls), handshakeTimeout: HANDSHAKE_MS, minVersion: "TLSv1.2" }, handler);
  const stop = watchFiles([tls.certFile, tls.keyFile], () => {
    try {
      http.setSecureContext(readPair(tls));
      tls.onReload?.();
    } catch (thrown) {
      tls.onReload?.(MoloraError.from(thrown));
    }
  });
  return { http, stop };
}

/** @throws MoloraError `bad_arguments` for files that cannot be read, are no PEM, or do not belong together. */
export function readPair({ certFile, keyFile }: TlsFiles): { cert: Buffer; key: Buffer } {
  const cert = read(certFile);
  const key = read(keyFile);
  try {
    createSecureContext({ cert, key });
    const { validTo } = new X509Certificate(cert);
    if (Date.parse(validTo) < Date.now()) throw new Error(`it expired on ${validTo}`);
  } catch (cause) {
    throw new MoloraError("bad_arguments", `no TLS with ${certFile} and ${keyFile}: ${(cause as Error).message}`, {
      remedy: "Give a certificate and its own private key, both in PEM.",
      cause,
    });
  }
  return { cert, key };
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new MoloraError("bad_arguments", `${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}
