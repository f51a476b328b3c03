// Who may do what on this port, whether by WebSocket or plain HTTP: secrets and the pages that may connect.

import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";
import { MoloraError } from "../proto/errors.ts";

export interface Access {
  /** Everyone may load and unload. */
  admin?: boolean;
  /** Who presents it may load and unload. */
  token?: string;
  /** Who presents neither it nor the token is refused. Default: none is needed. */
  apiKey?: string;
  /** Origins of web pages ("https://example.org") that may connect, beside pages this server's own address serves. */
  allowedOrigins?: readonly string[];
}

/** The secret in `Authorization: Bearer …`. */
export function bearerToken({ authorization }: IncomingHttpHeaders): string | undefined {
  return /^Bearer (.+)$/i.exec(authorization ?? "")?.[1];
}

/** @throws MoloraError `unauthorized`. */
export function requireKey(presented: string | undefined, apiKey: string): void {
  if (presented !== undefined && sameSecret(presented, apiKey)) return;
  const message = presented === undefined ? "this server asks for an API key" : "the API key is not this server's";
  throw new MoloraError("unauthorized", message, { remedy: "Send it as the header Authorization: Bearer KEY." });
}

/** Compares digests, which have one length, in constant time. A secret that is not set equals nothing. */
export function sameSecret(presented: string, secret: string | undefined): boolean {
  if (secret === undefined) return false;
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(presented), digest(secret));
}

/**
 * Browsers name the page that connects; anything else sends no Origin and passes. A page of the same host and port is
 * trusted only where the host is an address or localhost: a name may have been pointed at this machine by its owner.
 *
 * @throws MoloraError `not_permitted`.
 */
export function checkOrigin({ origin, host }: IncomingHttpHeaders, allowed: readonly string[]): void {
  if (origin === undefined || allowed.includes(origin)) return;
  if (URL.canParse(origin) && host !== undefined) {
    const page = new URL(origin);
    const name = page.hostname.replace(/^\[|\]$/g, "");
    if (page.host === host && (name === "localhost" || isIP(name) !== 0)) return;
  }
  throw new MoloraError("not_permitted", `pages of ${JSON.stringify(origin)} may not connect`, {
    remedy: "Add the origin to allowedOrigins of the server.",
  });
}
