// Who may do what on this port, whether by WebSocket or plain HTTP: secrets and the pages that may connect.

import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";
import { MoloraError } from "../proto/errors.ts";
import { Identity } from "./caller.ts";
import type { Keyring } from "./keys/keyring.ts";

export interface Access {
  /** Everyone may load and unload. */
  admin?: boolean;
  /** Who presents it may load and unload. */
  token?: string;
  /** Who presents neither it nor the token is refused. Default: none is needed. */
  apiKey?: string;
  /** Keys with scopes and limits. Who presents none of them, nor the token or the key above, is refused. */
  keys?: Keyring;
  /** Origins of web pages ("https://example.org") that may connect, beside pages this server's own address serves. */
  allowedOrigins?: readonly string[];
}

/**
 * @throws MoloraError `bad_arguments` for a secret that anybody can present (an empty one, as an unset variable gives), and
 * for an origin that no browser would send.
 */
export function checkAccess({ token, apiKey, allowedOrigins = [] }: Access): void {
  for (const [name, secret] of Object.entries({ token, apiKey })) {
    if (secret === undefined || secret.trim() !== "") continue;
    throw new MoloraError("bad_arguments", `the ${name} is empty, so that anybody could present it`, {
      remedy: "Set the variable it is read from, or leave it out.",
      details: { option: name },
    });
  }
  for (const origin of allowedOrigins) checkAllowedOrigin(origin);
}

/** As browsers serialise it (RFC 6454, section 6.2): scheme, host, and a port where it is not the scheme's own. */
function checkAllowedOrigin(origin: string): void {
  const parsed = URL.canParse(origin) ? new URL(origin) : undefined;
  const isWeb = parsed?.protocol === "http:" || parsed?.protocol === "https:";
  // Other schemes (browser extensions) have no origin in URL's eyes; browsers send scheme and host.
  const exact = isWeb ? parsed?.origin : /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s]+$/.exec(origin)?.[0];
  if (exact === origin) return;
  const meant = isWeb && exact !== undefined ? `Did you mean ${exact}? ` : "";
  throw new MoloraError("bad_arguments", `${JSON.stringify(origin)} is no origin that a browser sends`, {
    remedy: `${meant}Name each page as scheme://host or scheme://host:port, without a path and in lower case.`,
    details: { option: "allowedOrigins", origin },
  });
}

/** The secret in `Authorization: Bearer …`. */
export function bearerToken({ authorization }: IncomingHttpHeaders): string | undefined {
  return /^Bearer (.+)$/i.exec(authorization ?? "")?.[1];
}

/** What `presented` opens. @throws MoloraError `unauthorized`. */
export function identify(presented: string | undefined, { admin = false, token, apiKey, keys }: Access): Identity {
  if (presented !== undefined && sameSecret(presented, token)) return new Identity(true);
  const key = presented === undefined ? undefined : keys?.find(presented);
  if (key !== undefined) {
    key.checkValid();
    return new Identity(admin, key);
  }
  const asked = apiKey !== undefined || keys !== undefined;
  if (!asked || (presented !== undefined && sameSecret(presented, apiKey))) return new Identity(admin);
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
