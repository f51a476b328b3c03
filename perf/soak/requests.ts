// Requests of every mode, each with the text it gave alone, asked over HTTP and WebSocket.

import type { GenerateRequest, Generation, Routing } from "../../proto/api.ts";
import type { MoloraClient } from "../../proto/client.ts";

export const ADAPTERS = ["math", "sql", "medical", "code"];
const PROMPTS = [
  "How many singers are there?\nTable columns: age, name, singer",
  "Tom has 12 apples and buys 5 more. How many apples does he have now?",
  "What are the symptoms of asthma?",
];
const SCHEMA = {
  type: "object",
  properties: { table: { enum: ["singer", "concert"] }, many: { type: "boolean" } },
  required: ["table", "many"],
  additionalProperties: false,
};
const TOKENS = 16;

/** What is asked, apart from who answers and by which way. */
export interface Task {
  key: string;
  family: "chat" | "text";
  prompt: string;
  kind: "greedy" | "seeded" | "schema";
}

export const TASKS: readonly Task[] = [
  ...PROMPTS.map((prompt, i): Task => ({ key: `chat ${i}`, family: "chat", prompt, kind: "greedy" })),
  ...PROMPTS.map((prompt, i): Task => ({ key: `text ${i}`, family: "text", prompt, kind: "greedy" })),
  { key: "seeded", family: "chat", prompt: PROMPTS[1], kind: "seeded" },
  { key: "schema", family: "chat", prompt: PROMPTS[0], kind: "schema" },
];

export const WAYS = ["http", "http stream", "responses", "responses stream", "proto", "msgpack", "json"] as const;
export type Way = (typeof WAYS)[number];

export interface Said {
  text: string;
  generations: Generation[];
}

/** An answer that is an error. */
export class Refused extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

export interface Server {
  baseUrl: string;
  clients: Readonly<Record<"proto" | "msgpack" | "json", MoloraClient>>;
}

/** `model`: "nano" or "nano:NAME". `onText`: sees the text as it grows; what it throws ends the asking. */
export async function ask(
  server: Server,
  way: Way,
  task: Task,
  model: string,
  onText: (text: string) => void = () => {},
  signal?: AbortSignal,
): Promise<Said> {
  if (way === "proto" || way === "msgpack" || way === "json") {
    return overSocket(server.clients[way], task, model, onText, signal);
  }
  const { path, body } = httpRequest(way, task, model);
  const response = await fetch(`${server.baseUrl}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
  if (response.status !== 200) {
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    throw new Refused(error.code, error.message);
  }
  const said: Said = { text: "", generations: [] };
  if (!way.endsWith("stream")) {
    take(said, (await response.json()) as Piece);
    return said;
  }
  let ended = false;
  for await (const data of events(response.body as ReadableStream<Uint8Array>)) {
    if (data === "[DONE]") ended = true;
    else {
      const piece = JSON.parse(data) as Piece;
      if (piece.error) throw new Refused(piece.error.code, piece.error.message);
      ended ||= piece.type === "response.completed" || piece.type === "response.incomplete";
      take(said, piece);
      onText(said.text);
    }
  }
  if (!ended) throw new Error("the stream broke off");
  return said;
}

/** The body and path of a task by a way of HTTP. */
export function httpRequest(way: Way, { family, prompt, kind }: Task, model: string) {
  const stream = way.endsWith("stream");
  const shared = { model, stream, temperature: kind === "seeded" ? 1 : 0, ...(kind === "seeded" ? { seed: 7 } : {}) };
  const most = kind === "schema" ? 100 : TOKENS;
  if (family === "text") return { path: "/completions", body: { ...shared, prompt, max_tokens: most } };
  if (way.startsWith("responses")) {
    const format = { type: "json_schema", name: "answer", schema: SCHEMA };
    const text = kind === "schema" ? { text: { format } } : {};
    return { path: "/responses", body: { ...shared, input: prompt, max_output_tokens: most, ...text } };
  }
  const messages = [{ role: "user", content: prompt }];
  const format = { type: "json_schema", json_schema: { name: "answer", schema: SCHEMA } };
  const response_format = kind === "schema" ? { response_format: format } : {};
  return { path: "/chat/completions", body: { ...shared, messages, max_tokens: most, ...response_format } };
}

async function overSocket(
  client: MoloraClient,
  { family, prompt, kind }: Task,
  model: string,
  onText: (text: string) => void,
  signal?: AbortSignal,
): Promise<Said> {
  const request: GenerateRequest = {
    ...routing(model),
    ...(family === "text" ? { prompt, raw: true } : { messages: [{ role: "user", content: prompt }] }),
    maxTokens: kind === "schema" ? 100 : TOKENS,
    ...(kind === "seeded" ? { temperature: 1, seed: 7 } : {}),
    ...(kind === "schema" ? { responseFormat: { type: "json_schema", schema: SCHEMA } } : {}),
  };
  const said: Said = { text: "", generations: [] };
  for await (const event of client.generate(request, signal === undefined ? {} : { signal })) {
    said.text += event.text;
    if (event.type === "done") said.generations = event.generations;
    onText(said.text);
  }
  return said;
}

function routing(model: string): Routing {
  const name = model.slice("nano:".length);
  if (model === "nano") return {};
  return name === "default" ? { mixture: name } : { adapter: name };
}

interface Piece {
  type?: string;
  delta?: unknown;
  error?: { code: string; message: string } | null;
  choices?: {
    text?: string;
    message?: { content: string | null };
    delta?: { content?: string };
    molora?: { generations?: Generation[] };
  }[];
  response?: Piece;
  output?: { content?: { text: string }[] }[];
  molora?: { generations?: Generation[] };
}

/** Adds what a whole answer or a chunk of one says. */
function take(said: Said, piece: Piece): void {
  for (const { text, message, delta, molora } of piece.choices ?? []) {
    said.text += text ?? message?.content ?? delta?.content ?? "";
    said.generations = molora?.generations ?? said.generations;
  }
  if (piece.type === "response.output_text.delta") said.text += String(piece.delta);
  for (const { content = [] } of piece.output ?? []) said.text += content.map(({ text }) => text).join("");
  said.generations = piece.molora?.generations ?? piece.response?.molora?.generations ?? said.generations;
}

/** The data of server-sent events. */
export async function* events(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let held = "";
  for await (const chunk of bytes) {
    held += decoder.decode(chunk, { stream: true });
    const blocks = held.split("\n\n");
    held = blocks.pop() ?? "";
    for (const block of blocks) {
      const data = block.split("\n").find((line) => line.startsWith("data: "));
      if (data !== undefined) yield data.slice("data: ".length);
    }
  }
}
