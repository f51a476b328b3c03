// An encoding of messages, made of two halves: a format that turns values into bytes, and the one validator.
// encodings.ts lists the encodings there are.

import { CLIENT_MESSAGES, type MessageTable, SERVER_MESSAGES } from "./contract.ts";
import { MoloraError } from "./errors.ts";
import type { ClientMessage, Frame, ServerMessage } from "./messages.ts";
import { validateClient, validateServer } from "./validate.ts";

/** The messages that one side of the connection sends. */
export interface Speech<M> {
  /** @throws MoloraError where the message breaks the contract: nothing malformed is ever sent. */
  encode(message: M): Frame;
  /** @throws MoloraError `bad_frame` where the frame is not of this encoding, else as the validator. Nothing else. */
  decode(frame: Frame): M;
}

/** An encoding of both sides' messages; `subprotocol` is the name WebSocket negotiates. */
export interface Codec {
  readonly subprotocol: string;
  readonly client: Speech<ClientMessage>;
  readonly server: Speech<ServerMessage>;
}

/** The half in which encodings differ: plain values to a frame and back. `table` lists the messages there are. */
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
