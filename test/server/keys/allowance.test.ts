// How much a key may take, on a clock that the test turns.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MoloraError } from "../../../proto/errors.ts";
import { Allowance } from "../../../server/keys/allowance.ts";
import type { KeyLimits } from "../../../server/keys/key_record.ts";
import { Scopes } from "../../../server/keys/scopes.ts";

/** Seconds to wait, 0 where the request gets in; it ends at once and takes `tokens`. */
function wait(allowance: Allowance, tokens = 0): number {
  try {
    allowance.enter()(tokens);
    return 0;
  } catch (thrown) {
    assert.ok(MoloraError.is(thrown));
    assert.equal(thrown.code, "rate_limited");
    return Number(thrown.details?.retryAfterSeconds);
  }
}

function clocked(limits: KeyLimits) {
  const clock = { ms: 5000 };
  return { clock, allowance: new Allowance(limits, () => clock.ms) };
}

test("requests a minute: all at once, then one each as the bucket refills; never more than a minute's worth", () => {
  const { clock, allowance } = clocked({ requestsPerMinute: 6 });
  for (let i = 0; i < 6; i++) assert.equal(wait(allowance), 0);
  assert.equal(wait(allowance), 10);
  clock.ms += 9_000;
  assert.equal(wait(allowance), 1);
  clock.ms += 1_000;
  assert.equal(wait(allowance), 0);
  assert.equal(wait(allowance), 10);
  clock.ms += 3_600_000;
  for (let i = 0; i < 6; i++) assert.equal(wait(allowance), 0);
  assert.equal(wait(allowance), 10);
});

test("tokens a minute: one request may exceed them, and the next waits until that is paid back", () => {
  const { clock, allowance } = clocked({ tokensPerMinute: 60 });
  assert.equal(wait(allowance, 120), 0);
  assert.equal(wait(allowance), 61);
  clock.ms += 61_000;
  assert.equal(wait(allowance, 1), 0);
});

test("a limit that is changed holds from then on", () => {
  const { allowance } = clocked({ concurrent: 1 });
  const leave = allowance.enter();
  assert.ok(Number.isNaN(wait(allowance)), "no time is known");
  allowance.limits = { concurrent: 2 };
  assert.equal(wait(allowance), 0);
  leave(0);
  assert.equal(allowance.open, 0);
});

const SCOPES: [scopes: string[], routing: object, missing: string | undefined][] = [
  [["base"], {}, undefined],
  [["adapter:*"], {}, "base"],
  [["adapter:sql"], { adapter: "sql" }, undefined],
  [["adapter:sql"], { adapter: "sql2" }, "adapter:sql2"],
  [["adapter:team/*"], { adapter: "team/a" }, undefined],
  [["adapter:team/*"], { adapter: "tea" }, "adapter:tea"],
  [
    ["adapter:a"],
    {
      adapters: [
        { id: "a", weight: 1 },
        { id: "b", weight: 1 },
      ],
    },
    "adapter:b",
  ],
  [["mixture:m"], { mixture: "m" }, undefined],
  [["adapter:m", "base"], { mixture: "m" }, "mixture:m"],
  [["admin"], {}, "base"],
];
for (const [scopes, routing, missing] of SCOPES) {
  test(`${scopes.join(" ")} and ${JSON.stringify(routing)}: ${missing ?? "allowed"}`, () => {
    assert.equal(new Scopes(scopes).missing(routing), missing);
  });
}
