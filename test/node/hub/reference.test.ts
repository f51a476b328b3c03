// `hf:user/repo[@revision][:path]`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatHubReference, parseHubReference, resolveInHub } from "../../../node/hub/reference.ts";

test("a reference is read, and written back", () => {
  for (const [text, reference] of [
    ["hf:user/repo", { repo: "user/repo", revision: "main" }],
    ["hf:user/re.po_1-x@v1.0", { repo: "user/re.po_1-x", revision: "v1.0" }],
    ["hf:user/repo:m.Q4_0.gguf", { repo: "user/repo", revision: "main", path: "m.Q4_0.gguf" }],
    ["hf:user/repo@refs/pr/3:a/b c", { repo: "user/repo", revision: "refs/pr/3", path: "a/b c" }],
  ] as const) {
    assert.deepEqual(parseHubReference(text), reference);
    assert.equal(formatHubReference(reference), text);
  }
  assert.deepEqual(parseHubReference("hf:user/repo:./a//b/"), { repo: "user/repo", revision: "main", path: "a/b" });
});

test("what names nothing, or leads out, is refused", () => {
  for (const text of [
    ...[
      "hf:",
      "hf:user",
      "hf:user/",
      "hf:/repo",
      "hf:a/b/c",
      "hf:../..",
      "hf:user/..",
      "hf:user/repo@",
      "hf:user/repo:",
    ],
    ...["hf:user/repo:../x", "hf:user/repo:/etc", "hf:user/repo:a\\..\\b", "hf:user/repo@../x", "hf:user/repo:a\0b"],
  ]) {
    assert.throws(() => parseHubReference(text), { code: "bad_arguments" }, text);
  }
});

test("a path beside a mixture lies in the same repository and revision", () => {
  assert.equal(resolveInHub("hf:user/repo@v1:mixtures/default", "../../adapters/a"), "hf:user/repo@v1:adapters/a");
  assert.equal(resolveInHub("hf:user/repo", "adapters/a"), "hf:user/repo:adapters/a");
  assert.throws(() => parseHubReference(resolveInHub("hf:user/repo:mixture", "../../other")), {
    code: "bad_arguments",
  });
});
