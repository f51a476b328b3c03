// Who may open a connection and in which encoding: the checks on an upgrade request, before a socket exists.

import type { IncomingMessage } from "node:http";
import type { Codec } from "../../proto/codec.ts";
import { CODECS, codecOf } from "../../proto/encodings.ts";
import { MoloraError } from "../../proto/errors.ts";
import { type Access, bearerToken, checkOrigin, identify, sameSecret } from "../access.ts";
import type { Identity } from "../caller.ts";

/** Offered beside an encoding, it carries the token where no header can be set (browsers). */
const BEARER = "molora.bearer.";

/** What was agreed on. */
export interface Handshake {
  codec: Codec;
  identity: Identity;
}

/** @throws MoloraError `not_permitted` (origin, token), `unauthorized` (key), `bad_request` (no encoding in common). */
export function shakeHands(request: IncomingMessage, access: Access): Handshake {
  checkOrigin(request.headers, access.allowedOrigins ?? []);
  const offered = offeredProtocols(request);
  const token = presentedToken(request, offered);
  const identity = identify(token, access);
  const keyed = access.apiKey !== undefined || access.keys !== undefined;
  // Who presents a token means to administrate, and would miss it only later.
  if (!keyed && token !== undefined && access.token !== undefined && !sameSecret(token, access.token)) {
    throw new MoloraError("not_permitted", "the token is not this server's", {
      remedy: "Present the token the server was started with, or none.",
    });
  }
  return { codec: chooseCodec(offered), identity };
}

export function offeredProtocols({ headers }: IncomingMessage): string[] {
  const header = headers["sec-websocket-protocol"];
  return header === undefined ? [] : header.split(",").map((name) => name.trim());
}

function presentedToken({ headers }: IncomingMessage, offered: readonly string[]): string | undefined {
  const bearer = bearerToken(headers);
  if (bearer !== undefined) return bearer;
  const protocol = offered.find((name) => name.startsWith(BEARER));
  return protocol === undefined ? undefined : Buffer.from(protocol.slice(BEARER.length), "base64url").toString();
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
