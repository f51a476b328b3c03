// Who may open a connection and in which encoding: the checks on an upgrade request, before a socket exists.
// It knows nothing of what is said afterwards.

import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import type { Codec } from "../../proto/codec.ts";
import { CODECS, codecOf } from "../../proto/encodings.ts";
import { MoloraError } from "../errors.ts";

/** Offered beside an encoding, it carries the token where no header can be set (browsers). */
const BEARER = "molora.bearer.";

export interface Access {
  /** Every connection may load and unload. */
  admin?: boolean;
  /** Connections that present it may load and unload; those that present another are refused. */
  token?: string;
  /** Origins of web pages ("https://example.org") that may connect, beside pages this server's own address serves. */
  allowedOrigins?: readonly string[];
}

export interface Admission {
  codec: Codec;
  admin: boolean;
}

/** @throws MoloraError `not_permitted` (origin, token), `bad_request` (no encoding in common). */
export function admit(request: IncomingMessage, access: Access): Admission {
  checkOrigin(request, access.allowedOrigins ?? []);
  const offered = offeredProtocols(request);
  const token = presentedToken(request, offered);
  if (token !== undefined && access.token !== undefined && !sameSecret(token, access.token)) {
    throw new MoloraError("not_permitted", "the token is not this server's", {
      remedy: "Present the token the server was started with, or none.",
    });
  }
  const known = access.token !== undefined && token !== undefined;
  return { codec: chooseCodec(offered), admin: access.admin === true || known };
}

/**
 * Browsers name the page that connects; anything else sends no Origin and passes. A page of the same host and port is
 * trusted only where the host is an address or localhost: a name may have been pointed at this machine by its owner.
 */
function checkOrigin({ headers }: IncomingMessage, allowed: readonly string[]): void {
  const { origin, host } = headers;
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

export function offeredProtocols({ headers }: IncomingMessage): string[] {
  const header = headers["sec-websocket-protocol"];
  return header === undefined ? [] : header.split(",").map((name) => name.trim());
}

function presentedToken({ headers }: IncomingMessage, offered: readonly string[]): string | undefined {
  const bearer = /^Bearer (.+)$/i.exec(headers.authorization ?? "");
  if (bearer !== null) return bearer[1];
  const protocol = offered.find((name) => name.startsWith(BEARER));
  return protocol === undefined ? undefined : Buffer.from(protocol.slice(BEARER.length), "base64url").toString();
}

/** Compares digests, which have one length, in constant time. */
function sameSecret(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** The first encoding offered, in the client's order; JSON where none is named. */
function chooseCodec(offered: readonly string[]): Codec {
  const encodings = offered.filter((name) => !name.startsWith(BEARER));
  if (encodings.length === 0) return CODECS.json;
  for (const name of encodings) {
    const codec = codecOf(name);
    if (codec !== undefined) return codec;
  }
  throw new MoloraError("bad_request", "none of the offered subprotocols is spoken here", {
    remedy: `Offer one of: ${Object.values(CODECS)
      .map((codec) => codec.subprotocol)
      .join(", ")}.`,
  });
}
