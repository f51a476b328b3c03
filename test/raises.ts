// Asserts that something raises a MoloraError of one code, whose message names what it should.

import assert from "node:assert/strict";
import { type ErrorCode, MoloraError } from "../proto/errors.ts";

export async function raises(code: ErrorCode, names: RegExp, call: () => unknown): Promise<void> {
  await assert.rejects(
    async () => call(),
    (error) => {
      assert.ok(error instanceof MoloraError, `not a MoloraError: ${error}`);
      assert.equal(error.code, code, error.message);
      assert.match(error.message, names);
      return true;
    },
  );
}
