// Every file and folder that a comment names is there, so that a signpost never points to where something once was.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { comments, ROOMS, sources } from "./sources.ts";

/** A source file with or without folders before it, or anything below one of the top folders. */
const PATH = new RegExp(
  String.raw`(?<![\w/.-])(?:[\w.-]+/)*[\w-][\w.-]*\.(?:ts|wgsl|mjs)\b|(?<![\w/.-])(?:${ROOMS.join("|")})/[\w./-]*\w`,
  "g",
);

/** Named from the root, from its top folder, or from beside the file; a test may name a neighbour of what it tests. */
function isThere(named: string, from: string): boolean {
  const folders = ["", from.split("/")[0], dirname(from), dirname(from.replace(/^test\//, ""))];
  return folders.some((folder) => existsSync(join(folder, named)));
}

function wrongPaths(path: string, text: string): string[] {
  const named = comments(text).flatMap((comment) => comment.match(PATH) ?? []);
  return named.filter((name) => !isThere(name, path)).map((name) => `${path} names ${name}`);
}

test("a path that is not there is found, and only in a comment", () => {
  const text = `// see errors.ts and engine/gone\nconst a = "engine/gone/b.ts"; // proto/api.ts, a/b.ts`;
  assert.deepEqual(wrongPaths("proto/codec.ts", text), [
    "proto/codec.ts names engine/gone",
    "proto/codec.ts names a/b.ts",
  ]);
});

test("every path named in a comment exists", () => {
  const files = sources(".ts", ".mjs", ".js", ".wgsl");
  assert.ok(files.length > 400);
  const wrong = files.flatMap(({ path, text }) => wrongPaths(path, text));
  assert.equal(wrong.length, 0, wrong.join("\n"));
});
