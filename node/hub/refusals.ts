// What a hub's refusals mean, and what to do about each.

import type { HubApiError } from "@huggingface/hub";
import { MoloraError } from "../../proto/errors.ts";

export interface Asked {
  endpoint: string;
  /** "user/repo@main", "user/repo:file" */
  what: string;
  hasToken: boolean;
}

/** An answer that is no success, as an error of its kind. */
export function refused(error: HubApiError, { endpoint, what, hasToken }: Asked): MoloraError {
  const { statusCode: status } = error;
  // The library puts addresses behind the hub's own words.
  const words = error.message.replace(/\. URL: .*$/s, "").trim();
  const says = `${endpoint} answers ${status} for ${what}${words === "" || /^Api error/.test(words) ? "" : `: ${words}`}`;
  const info = { cause: error, details: { status, what } };
  if (status === 401 || status === 403) {
    const remedy = hasToken
      ? "HF_TOKEN has no access to it: check the name, and on the repository's page whether its terms are to be accepted first."
      : "Check the name; for a private or gated repository set HF_TOKEN.";
    return new MoloraError("not_permitted", says, { remedy, ...info });
  }
  if (status === 404) {
    return new MoloraError("file_not_found", says, {
      remedy: "Check the repository, the revision and the path.",
      ...info,
    });
  }
  const remedy =
    status === 429
      ? "The hub counts requests: run this again later, or set HF_TOKEN, which allows more."
      : "Run this again later; what has come so far is kept.";
  return new MoloraError("download_failed", says, { remedy, ...info });
}

export function hubUnreachable(endpoint: string, what: string, cause: unknown): MoloraError {
  return new MoloraError("download_failed", `${endpoint} cannot be reached for ${what}: ${innermost(cause)}`, {
    remedy: "Check the network (a proxy, a mirror: HF_ENDPOINT); HF_HUB_OFFLINE=1 takes what was fetched before.",
    cause,
  });
}

/** The innermost cause: `fetch failed` alone would tell nothing. */
export function innermost(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  let message = error.message;
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) message = cause.message || message;
  return message.trim().split("\n")[0];
}
