// The one error class of molora. Its codes and their meanings stand in error_codes.ts.

import { ERROR_CODES, type ErrorCode } from "./error_codes.ts";

export { ERROR_CODES, type ErrorCode } from "./error_codes.ts";

/** Known to every copy of this package in a process, where `instanceof` knows one copy only. */
const MARK = Symbol.for("molora.MoloraError");

export interface ErrorInfo {
  /** What the person can do about it, one sentence. */
  remedy?: string;
  /** Machine-readable facts: offending field, matched and unmatched tensors, limits. */
  details?: Record<string, unknown>;
  cause?: unknown;
}

/**
 * An error a user can act on: a stable `code`, the reason as `message`, and a `remedy`.
 *
 * @example
 * ```ts
 * try {
 *   await engine.loadAdapter("legal", "adapters/legal");
 * } catch (error) {
 *   if (MoloraError.is(error) && error.code === "adapter_mismatch") console.error(error.message, error.remedy);
 *   else throw error;
 * }
 * ```
 */
export class MoloraError extends Error {
  static {
    Object.defineProperty(MoloraError.prototype, MARK, { value: true });
  }

  readonly code: ErrorCode;
  readonly remedy: string | undefined;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: ErrorCode, message: string, info: ErrorInfo = {}) {
    super(message, info.cause === undefined ? undefined : { cause: info.cause });
    this.name = "MoloraError";
    this.code = code;
    this.remedy = info.remedy;
    this.details = info.details;
  }

  /** HTTP status of this error's code. */
  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  /** The shape errors have on the wire and in `--json` output. */
  toJSON(): { code: ErrorCode; message: string; remedy?: string; details?: Record<string, unknown> } {
    return {
      code: this.code,
      message: this.message,
      ...(this.remedy === undefined ? {} : { remedy: this.remedy }),
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }

  /** Whether something thrown is a MoloraError, be it of this copy of the package or of another one. */
  static is(thrown: unknown): thrown is MoloraError {
    return typeof thrown === "object" && thrown !== null && MARK in thrown;
  }

  /** Wraps anything thrown: a MoloraError passes through, all else becomes `internal`. */
  static from(thrown: unknown): MoloraError {
    if (MoloraError.is(thrown)) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new MoloraError("internal", message, { cause: thrown });
  }
}
