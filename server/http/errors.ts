// Errors in OpenAI's shape, with molora's stable codes, whatever was thrown.

import type { FastifyError } from "fastify";
import { MoloraError } from "../../proto/errors.ts";

/** `code`, `remedy` and `details` are molora's; the rest is what OpenAI's clients read. */
export interface ErrorBody {
  error: {
    message: string;
    type: string;
    param: string | null;
    code: string;
    remedy?: string;
    details?: Record<string, unknown>;
  };
}

export function errorBody(error: MoloraError): ErrorBody {
  const { code, message, remedy, details } = error.toJSON();
  const field = details?.field;
  return {
    error: {
      message: remedy === undefined ? message : `${message}. ${remedy}`.replace("..", "."),
      type: errorType(error.status),
      param: typeof field === "string" ? snakeCase(field) : null,
      code,
      ...(remedy === undefined ? {} : { remedy }),
      ...(details === undefined ? {} : { details }),
    },
  };
}

/** The engine speaks camelCase, OpenAI's clients do not. */
function snakeCase(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function errorType(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

/** What a route threw, or what fastify refused before there was a route. */
export function requestError(thrown: unknown, maxBodyBytes: number): MoloraError {
  if (MoloraError.is(thrown) || !isFastifyError(thrown)) return MoloraError.from(thrown);
  if (thrown.statusCode === 413) {
    return new MoloraError("frame_too_large", `the body is larger than ${maxBodyBytes} bytes`, {
      remedy: "Send a shorter prompt.",
      details: { maxBodyBytes },
    });
  }
  if (thrown.statusCode !== undefined && thrown.statusCode < 500) {
    return new MoloraError("bad_request", `the body cannot be read: ${thrown.message}`, {
      remedy: "Send one JSON object, as application/json.",
      cause: thrown,
    });
  }
  return MoloraError.from(thrown);
}

function isFastifyError(thrown: unknown): thrown is FastifyError {
  return thrown instanceof Error && "statusCode" in thrown && "code" in thrown;
}
