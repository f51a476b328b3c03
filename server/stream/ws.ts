// WebSocket at the edge of an http.Server: upgrades, one session a socket, keep-alive, and the ways a socket ends.
// What messages mean is session.ts's, how much may wait outbox.ts's.

import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { MoloraError } from "../../proto/errors.ts";
import { errorReply } from "../../proto/events.ts";
import type { Access } from "../access.ts";
import { type EngineFor, requestId } from "../caller.ts";
import type { ServerLimits } from "../limits.ts";
import type { EnginePort } from "../port.ts";
import { DEFAULT_UPLOAD } from "../pushed_files.ts";
import { refuseUpgrade } from "../sockets.ts";
import { type Handshake, shakeHands } from "./handshake.ts";
import { Outbox } from "./outbox.ts";
import { Receipts } from "./receipts.ts";
import { Session } from "./session.ts";

export interface StreamOptions extends Access {
  /** The folders clients may load from, by paths relative to them. Without one, loading is refused. */
  adapterRoot?: string;
  mixtureRoot?: string;
  /** Bytes of the files that a client pushes. Default 256 MiB. */
  maxUploadBytes?: number;
  limits?: Partial<ServerLimits>;
  /** Told why a connection was not made. */
  onRefused?: (error: MoloraError, request: IncomingMessage) => void;
}

export interface Stream {
  /** Open connections. */
  readonly size: number;
  /** Cancels every request, closes every socket (1001) and takes no more. */
  close(): Promise<void>;
}

const PATHS = ["/v1/stream", "/"];

/** Close codes (RFC 6455, section 7.4.1). */
const GOING_AWAY = 1001;
const POLICY = 1008;
const TOO_LARGE = 1009;

/** Frames of one socket that may wait to be worked through. */
const MOST_BACKLOG = 16;

/**
 * Serves the stream on `server`, beside whatever else it does. The engines stay the caller's to close. `refusal`: why a
 * socket is one too many, or asks for what is not here, if so.
 */
export function attachStream(
  server: Server,
  engineFor: EngineFor<EnginePort>,
  options: StreamOptions & { limits: ServerLimits },
  refusal: (request: IncomingMessage) => MoloraError | undefined,
): Stream {
  const { limits } = options;
  const listener = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: limits.maxFrameBytes,
    // Compressed frames would make small input large, and cost a context for every socket.
    perMessageDeflate: false,
    WebSocket: StreamSocket,
    handleProtocols: (_offered, request) => handshakes.get(request)?.codec.subprotocol ?? false,
  });
  const handshakes = new WeakMap<IncomingMessage, Handshake>();
  const connections = new Set<Connection>();

  const upgrade = (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    try {
      const path = (request.url ?? "/").split("?", 1)[0];
      if (!PATHS.includes(path))
        throw new MoloraError("bad_request", `no stream at ${path}`, { remedy: "Use /v1/stream." });
      const tooMany = refusal(request);
      if (tooMany !== undefined) throw tooMany;
      const handshake = shakeHands(request, options);
      handshakes.set(request, handshake);
      listener.handleUpgrade(request, stream, head, (socket) => {
        connections.add(connect(socket as StreamSocket, handshake, request));
      });
    } catch (thrown) {
      const error = MoloraError.from(thrown);
      options.onRefused?.(error, request);
      refuseUpgrade(stream, error);
    }
  };

  const connect = (socket: StreamSocket, { codec, identity }: Handshake, request: IncomingMessage): Connection => {
    const { headers, url = "/" } = request;
    const connectionId = requestId(headers);
    const engineOf = (id: string) =>
      engineFor({ id: `${connectionId}/${id}`, identity, transport: "websocket", headers, url });
    const receipts = new Receipts(socket, limits.hardBufferBytes / 4);
    const outbox = new Outbox(
      (frame, sent) => receipts.send(frame, sent),
      limits,
      (error) => connection.cut(POLICY, error),
    );
    const { adapterRoot, mixtureRoot, maxUploadBytes = DEFAULT_UPLOAD } = options;
    const permissions = { identity, adapterRoot, mixtureRoot, maxUploadBytes };
    const session = new Session(engineOf, codec, outbox, permissions, limits);
    const connection = new Connection(socket, session, outbox, limits, (error) =>
      codec.server.encode(errorReply(error)),
    );
    socket.on("close", () => connections.delete(connection));
    return connection;
  };

  const keepAlive = setInterval(() => {
    for (const connection of connections) connection.checkAlive();
  }, limits.pingMs);
  keepAlive.unref();
  server.on("upgrade", upgrade);

  return {
    get size() {
      return connections.size;
    },
    async close() {
      server.off("upgrade", upgrade);
      clearInterval(keepAlive);
      const error = new MoloraError("engine_closed", "the server is closing", { remedy: "Connect again later." });
      await Promise.all([...connections].map((connection) => connection.cut(GOING_AWAY, error)));
    },
  };
}

/** ws answers an oversize frame by closing, before any listener runs: here the error goes out first. */
class StreamSocket extends WebSocket {
  onOversize: (() => void) | undefined;

  override close(code?: number, reason?: string | Buffer): void {
    if (code === TOO_LARGE) this.onOversize?.();
    super.close(code, reason);
  }
}

/** A socket and its session, from open to closed. */
class Connection {
  readonly #socket: StreamSocket;
  readonly #session: Session;
  readonly #outbox: Outbox;
  readonly #limits: ServerLimits;
  readonly #lastWords: (error: MoloraError) => string | Uint8Array;
  readonly #closed: Promise<void>;
  #pinged: number | undefined;
  #heard = 0;

  constructor(
    socket: StreamSocket,
    session: Session,
    outbox: Outbox,
    limits: ServerLimits,
    lastWords: (error: MoloraError) => string | Uint8Array,
  ) {
    this.#socket = socket;
    this.#session = session;
    this.#outbox = outbox;
    this.#limits = limits;
    this.#lastWords = lastWords;
    this.#closed = new Promise((resolve) => {
      socket.on("close", () => {
        session.close();
        resolve();
      });
    });
    socket.onOversize = () => this.#oversize();
    // ws has begun to close by now (1002, 1007, 1009); the peer gets no longer than any other to take part.
    socket.on("error", () => {
      session.close();
      this.#dropLater();
    });
    socket.on("pong", () => this.#hear());
    socket.on("message", (data, isBinary) => {
      this.#hear();
      session.receive(isBinary ? bytes(data) : bytes(data).toString("utf8"));
      // Who sends faster than frames are worked through is not read meanwhile.
      if (session.backlog > MOST_BACKLOG && !socket.isPaused) socket.pause();
    });
    session.onDrained = () => {
      if (socket.isPaused) socket.resume();
    };
  }

  /** Cancels the requests, says why, and closes; a reader that does not take the last frame is dropped. */
  cut(code: number, error: MoloraError): Promise<void> {
    this.#session.close();
    this.#socket.send(this.#lastWords(error), ignoreFailure);
    this.#socket.close(code, error.code);
    this.#dropLater();
    return this.#closed;
  }

  /** Drops the socket where the last ping met silence: no pong, no frame, nothing taken. */
  checkAlive(): void {
    const signOfLife = Math.max(this.#heard, this.#outbox.lastProgress);
    if (this.#pinged !== undefined && signOfLife < this.#pinged) {
      this.#socket.terminate();
      return;
    }
    this.#pinged = performance.now();
    this.#socket.ping(ignoreFailure);
  }

  #hear(): void {
    this.#heard = performance.now();
  }

  #oversize(): void {
    const { maxFrameBytes } = this.#limits;
    const error = new MoloraError("frame_too_large", `a frame of more than ${maxFrameBytes} bytes`, {
      remedy: "Send a shorter prompt.",
      details: { maxFrameBytes },
    });
    this.#socket.send(this.#lastWords(error), ignoreFailure);
  }

  #dropLater(): void {
    const timer = setTimeout(() => this.#socket.terminate(), this.#limits.closeMs);
    this.#closed.then(() => clearTimeout(timer));
  }
}

/** A socket that fails to send is on its way to "close", which is handled. */
function ignoreFailure(): void {}

/** ws hands out one Buffer a message (its default binaryType, "nodebuffer"). */
function bytes(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
