// Who asks for something: what the secret that they present opens, and the request by which they ask.

import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { Key } from "./keys/keyring.ts";
import type { HttpEngine } from "./port.ts";

/** What a presented secret opens. */
export class Identity {
  /** Undefined where none was asked for, or a secret without limits was presented. */
  readonly key: Key | undefined;
  readonly #admin: boolean;

  constructor(admin: boolean, key?: Key) {
    this.#admin = admin;
    this.key = key;
  }

  /** May load and unload. Of a key, as long as it is valid. */
  get admin(): boolean {
    return this.#admin || this.key?.admin === true;
  }
}

export interface Caller {
  /** Of the request: in logs, in traces and, over HTTP, in the header x-request-id. */
  id: string;
  identity: Identity;
  transport: "http" | "websocket";
  /** Of the request, or of the one that opened the connection: a trace's context may be among them. */
  headers: IncomingHttpHeaders;
  /** What it asked for, or what opened the connection: path and query. */
  url: string;
}

/** The engine as a caller may see it. */
export type EngineFor<E = HttpEngine> = (caller: Caller) => E;

/** The id that a client or a proxy gave a request; a new one where there is none, or it could be mistaken in a log. */
export function requestId({ "x-request-id": given }: IncomingHttpHeaders): string {
  return typeof given === "string" && /^[\w.:/+=@-]{1,128}$/.test(given) ? given : randomUUID();
}
