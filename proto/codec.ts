// What an encoding is, and how one is made of its two halves: bytes to plain values, and the one validator.
// It knows nothing of any particular encoding; encodings.ts lists them.

import { CLIENT_MESSAGES, type MessageTable, SERVER_MESSAGES } from "./contract.ts";
import { MoloraError } from "./errors.ts";
import type { ClientMessage, Frame, ServerMessage } from "./messages.ts";
import { validateClient, validateServer } from "./validate.ts";

/** What one side of the connection says. */
export interface Speech<M> {
  /** @throws MoloraError where the message breaks the contract: nothing malformed is ever sent. */
  encode(message: M): Frame;
  /** @throws MoloraError `bad_frame` (not this encoding), else as the validator. Never anything else. */
  decode(frame: Frame): M;
}

/** An encoding of both sides' messages; `subprotocol` is the name WebSocket negotiates. */
export interface Codec {
  readonly subprotocol: string;
  readonly client: Speech<ClientMessage>;
  readonly server: Speech<ServerMessage>;
}

/** The half that differs: plain values to a frame and back. `table` says what may be on it. */
export interface Format {
  write(message: Readonly<Record<string, unknown>> & { type: string }, table: MessageTable): Frame;
  /** May throw anything; what it returns is not trusted. */
  read(frame: Frame, table: MessageTable): unknown;
}

export function codec(subprotocol: string, format: Format): Codec {
  const speech = <M extends { type: string }>(table: MessageTable, validate: (raw: unknown) => M): Speech<M> => ({
    encode: (message) => format.write({ ...validate(message) }, table),
    decode: (frame) => validate(readPlain(subprotocol, format, frame, table)),
  });
  return {
    subprotocol,
    client: speech(CLIENT_MESSAGES, validateClient),
    server: speech(SERVER_MESSAGES, validateServer),
  };
}

function readPlain(subprotocol: string, format: Format, frame: Frame, table: MessageTable): unknown {
  try {
    return format.read(frame, table);
  } catch (error) {
    if (error instanceof MoloraError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new MoloraError("bad_frame", `not a frame of ${subprotocol}: ${why}`, {
      remedy: "Send one whole message a frame, in the encoding the connection negotiated.",
      cause: error,
    });
  }
}
