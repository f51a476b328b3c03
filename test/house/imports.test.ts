// The folder rules: imports run downward, and what runs in a browser imports nothing of Node.

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { sources, withoutComments } from "./sources.ts";

/** What each folder may import beside itself. perf/ and test/ may import everything. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  cli: ["server", "training", "node", "engine", "composition", "router", "files", "shaders", "proto"],
  server: ["engine", "files", "proto"],
  training: ["engine", "composition", "router", "files", "shaders", "proto"],
  node: ["engine", "files", "proto"],
  browser: ["engine", "files", "proto"],
  engine: ["composition", "router", "files", "shaders", "proto"],
  composition: ["files", "proto"],
  router: ["files", "shaders", "proto"],
  files: ["shaders", "proto"],
  shaders: [],
  integrations: ["proto"],
  proto: [],
};

/** These also run in a browser. */
const WITHOUT_NODE = [
  "browser",
  "training",
  "engine",
  "composition",
  "router",
  "files",
  "shaders",
  "proto",
  "integrations",
];

/** Which folder may import a package. Those that only fronts need must not reach the engine. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "@ai-sdk/provider": ["integrations"],
  "@huggingface/hub": ["node"],
  "@huggingface/tokenizers": ["engine"],
  "@langchain/core": ["integrations"],
  aws4fetch: ["node"],
  fflate: ["node"],
  "modern-tar": ["node"],
  msgpackr: ["proto"],
  "prom-client": ["server"],
  protobufjs: ["proto"],
  pino: ["server"],
  "@opentelemetry/api": ["server"],
  "smol-toml": ["cli"],
  webgpu: ["node"],
  ws: ["server", "proto"],
};

const IMPORT = /(?:\bfrom|\bimport|\bimport\()\s*"([^"\s]+)"/g;

/** What a file imports, other than from its own folder: a path from the root, `node:…`, or a package's name. */
function imported(path: string, text: string): string[] {
  const names = [...withoutComments(text).matchAll(IMPORT)].map(([, name]) => name);
  const resolved = names.map((name) => (name.startsWith(".") ? join(dirname(path), name) : name));
  return resolved.filter((name) => !name.startsWith("#") && top(name) !== top(path));
}

function top(path: string): string {
  return path.split("/")[0];
}

function packageName(name: string): string {
  return name.split("/", name.startsWith("@") ? 2 : 1).join("/");
}

function isAllowed(room: string, name: string): boolean {
  if (name.startsWith("node:")) return !WITHOUT_NODE.includes(room);
  if (name.endsWith(".ts")) return BELOW[room].includes(top(name));
  return PACKAGES[packageName(name)]?.includes(room) ?? false;
}

function wrongImports(path: string, text: string): string[] {
  const wrong = imported(path, text).filter((name) => !isAllowed(top(path), name));
  return wrong.map((name) => `${top(path)} -> ${name}`);
}

test("an import that points up, one of Node and one of a front's package are found", () => {
  const text = `import type { A } from "../../server/port.ts";\nimport "node:fs";\nconst w = await import("ws");\nimport "./b.ts"; // import "ai"`;
  const found = ["engine -> server/port.ts", "engine -> node:fs", "engine -> ws"];
  assert.deepEqual(wrongImports("engine/step/a.ts", text), found);
  assert.deepEqual(wrongImports("server/stream/a.ts", text.replace("../../server", "..")), []);
});

test("imports run downward", () => {
  const files = sources(".ts").filter(({ path }) => top(path) in BELOW);
  assert.ok(files.length > 200);
  const wrong = new Set(files.flatMap(({ path, text }) => wrongImports(path, text)));
  assert.deepEqual([...wrong].sort(), []);
});
