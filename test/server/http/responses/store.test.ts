// What is kept of responses stays within its bounds, whatever is put, looked up and deleted.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ResponseObject } from "../../../../server/http/responses/reply.ts";
import { ResponseStore } from "../../../../server/http/responses/store.ts";

function response(id: string, text = ""): ResponseObject {
  return {
    id,
    object: "response",
    created_at: 0,
    completed_at: 0,
    status: "completed",
    background: false,
    error: null,
    incomplete_details: null,
    output: [
      {
        id: `msg_${id}`,
        type: "message",
        status: "completed",
        role: "assistant",
        content: [{ type: "output_text", text, annotations: [], logprobs: [] }],
      },
    ],
    usage: null,
    model: "nano",
    instructions: null,
    max_output_tokens: null,
    metadata: {},
    parallel_tool_calls: true,
    previous_response_id: null,
    store: true,
    temperature: 1,
    text: {},
    tool_choice: "auto",
    tools: [],
    top_logprobs: 0,
    top_p: 1,
    truncation: "disabled",
  };
}

test("so many, the longest unused going first, with their items", () => {
  const store = new ResponseStore({ maxResponses: 3 });
  for (const id of ["a", "b", "c"]) store.put({ response: response(id), conversation: [] });
  store.get("a");
  store.put({ response: response("d"), conversation: [] });
  assert.deepEqual(
    ["a", "b", "c", "d"].map((id) => store.get(id)?.response.id),
    ["a", undefined, "c", "d"],
  );
  assert.equal(store.item("msg_b"), undefined);
  assert.equal(store.item("msg_c")?.id, "msg_c");
  assert.equal(store.delete("c"), true);
  assert.equal(store.delete("c"), false);
  assert.equal(store.item("msg_c"), undefined);
  assert.equal(store.size, 2);
});

test("so many characters; one too large for all of them is not kept and pushes nothing out", () => {
  const store = new ResponseStore({ maxCharacters: 10_000 });
  const long = [{ role: "user", content: "x".repeat(3000) }];
  for (const id of ["a", "b", "c", "d"]) store.put({ response: response(id), conversation: long });
  assert.ok(store.size >= 1 && store.size <= 3);
  assert.equal(store.get("a"), undefined);
  assert.equal(store.get("d")?.response.id, "d");
  const { size } = store;
  store.put({ response: response("huge", "y".repeat(20_000)), conversation: [] });
  assert.equal(store.get("huge"), undefined);
  assert.equal(store.size, size);
  for (let i = 0; i < 100; i++) store.put({ response: response(`r${i}`), conversation: long });
  assert.ok(store.size <= 3);
});
