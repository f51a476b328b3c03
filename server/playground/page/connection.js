// One WebSocket to the engine that served this page: requests side by side by id, JSON frames, and coming back when lost.
// It knows nothing of what is drawn; proto/messages.ts is what travels.

/** @import { GenerateRequest } from "../../../proto/api.ts" */
/** @import { AcceptedMessage, ClientMessage, DoneMessage, ErrorReply, ServerMessage, TokenMessage } from "../../../proto/messages.ts" */

/** @typedef {{ onMessage: (message: Exclude<ServerMessage, ErrorReply>) => void, onError: (error: EngineError) => void }} Waiting */

/** An error of the engine, or of the way to it. */
export class EngineError extends Error {
  /** @param {{ code: string, message: string, remedy?: string }} reply */
  constructor({ code, message, remedy }) {
    super(message);
    this.code = code;
    this.remedy = remedy;
  }
}

/** Milliseconds until the first new attempt; each one after waits twice as long, up to the last. */
const FIRST_RETRY = 500;
const LAST_RETRY = 10_000;

export class Connection {
  /** @type {WebSocket | undefined} */
  #socket;
  /** @type {Map<string, Waiting>} Open requests by id. */
  #open = new Map();
  #nextId = 1;
  #retry = FIRST_RETRY;
  #timer = 0;
  /** @type {string | undefined} */
  #key;
  #onState;

  /** @param {(state: "open" | "closed" | "locked") => void} onState "locked": the server asks for an API key, or for another. */
  constructor(onState) {
    this.#onState = onState;
    this.#connect();
  }

  /**
   * Aborting `signal` cancels; the promise then resolves to a `done` with finish reason "cancelled".
   * @param {GenerateRequest} request
   * @param {{ onAccepted: (message: AcceptedMessage) => void, onToken: (message: TokenMessage) => void }} on
   * @param {AbortSignal} signal
   * @returns {Promise<DoneMessage>}
   */
  generate(request, on, signal) {
    const id = this.#newId();
    const cancel = () => {
      if (this.#open.has(id)) this.#send({ type: "cancel", id });
    };
    return new Promise((resolve, reject) => {
      this.#ask(
        { ...request, type: "generate", id },
        {
          onMessage(message) {
            if (message.type === "accepted") on.onAccepted(message);
            else if (message.type === "token") on.onToken(message);
            else if (message.type === "done") resolve(message);
          },
          onError: reject,
        },
      );
      signal.addEventListener("abort", cancel);
      if (signal.aborted) cancel();
    });
  }

  /** What this engine serves. */
  async catalogue() {
    const [stats, adapters, mixtures] = await Promise.all([
      this.#question("stats"),
      this.#question("adapter_list"),
      this.#question("mixture_list"),
    ]);
    if (stats.type !== "stats" || adapters.type !== "adapters" || mixtures.type !== "mixtures") {
      throw new EngineError({ code: "bad_frame", message: "the engine answered another question than was asked" });
    }
    return { model: stats.stats.model, adapters: adapters.adapters, mixtures: mixtures.mixtures };
  }

  /**
   * @param {"stats" | "adapter_list" | "mixture_list"} type
   * @returns {Promise<ServerMessage>}
   */
  #question(type) {
    return new Promise((onMessage, onError) => this.#ask({ type, id: this.#newId() }, { onMessage, onError }));
  }

  #newId() {
    return String(this.#nextId++);
  }

  /**
   * @param {ClientMessage} message
   * @param {Waiting} waiting
   */
  #ask(message, waiting) {
    if (this.#socket?.readyState !== WebSocket.OPEN) {
      waiting.onError(lost("there is no connection to the engine"));
      return;
    }
    this.#open.set(message.id, waiting);
    this.#send(message);
  }

  /** @param {ClientMessage} message */
  #send(message) {
    this.#socket?.send(JSON.stringify(message));
  }

  /** @param {string} key The API key; it is kept for as long as the page. */
  unlock(key) {
    clearTimeout(this.#timer);
    this.#key = key;
    this.#connect();
  }

  #connect() {
    const url = new URL("v1/stream", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    const bearer = this.#key === undefined ? [] : [`molora.bearer.${base64url(this.#key)}`];
    const socket = new WebSocket(url, ["molora.v1.json", ...bearer]);
    this.#socket = socket;
    let opened = false;
    socket.addEventListener("open", () => {
      opened = true;
      this.#retry = FIRST_RETRY;
      this.#onState("open");
    });
    socket.addEventListener("message", ({ data }) => this.#receive(JSON.parse(data)));
    socket.addEventListener("close", async () => {
      this.#failAll(lost("the connection to the engine was lost"));
      if (!opened && (await this.#isLocked())) {
        this.#onState("locked");
        return;
      }
      this.#onState("closed");
      this.#timer = setTimeout(() => this.#connect(), this.#retry);
      this.#retry = Math.min(this.#retry * 2, LAST_RETRY);
    });
  }

  /** Browsers do not say why a socket was refused; plain HTTP does. */
  async #isLocked() {
    const authorization = this.#key === undefined ? undefined : { authorization: `Bearer ${this.#key}` };
    try {
      const { status } = await fetch(
        new URL("v1/models", document.baseURI),
        authorization ? { headers: authorization } : {},
      );
      return status === 401;
    } catch {
      // Nothing answers at all
      return false;
    }
  }

  /** @param {ServerMessage} message */
  #receive(message) {
    if (message.type === "error") {
      const error = new EngineError(message);
      if (message.id === undefined) this.#failAll(error);
      else this.#take(message.id)?.onError(error);
      return;
    }
    const last = message.type !== "accepted" && message.type !== "token";
    const waiting = last ? this.#take(message.id) : this.#open.get(message.id);
    waiting?.onMessage(message);
  }

  /** @param {string} id */
  #take(id) {
    const waiting = this.#open.get(id);
    this.#open.delete(id);
    return waiting;
  }

  /** @param {EngineError} error */
  #failAll(error) {
    const waiting = [...this.#open.values()];
    this.#open.clear();
    for (const { onError } of waiting) onError(error);
  }
}

/**
 * WebSocket subprotocols take few characters; base64url keeps to them.
 * @param {string} text
 */
function base64url(text) {
  const binary = String.fromCharCode(...new TextEncoder().encode(text));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {string} message */
function lost(message) {
  const remedy = "Check that the engine runs. A page served under a name needs that origin in --allow-origin.";
  return new EngineError({ code: "connection_lost", message, remedy });
}
