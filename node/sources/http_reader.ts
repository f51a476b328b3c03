// Reads over HTTP as a careful client does: bounded sizes and times, retries, and no secret to anybody it is not for.

import { createHash } from "node:crypto";
import { MoloraError } from "../../proto/errors.ts";
import { isThisMachine } from "./locator.ts";
import { DEFAULT_POLICY, type Policy } from "./policy.ts";
import type { Digest } from "./store.ts";

/** One question. */
export interface Ask {
  url: URL;
  /** Adds what the place wants to see: a signature, a token. Called for every attempt, and for no other origin. */
  authorize?: (url: URL) => Promise<{ url: URL; headers: Record<string, string> }>;
  /** What to do where the place says 401 or 403. */
  remedy?: string;
  /** Hears what a refusal says; true: authorised anew, it may be granted. */
  refused?: (response: Response) => boolean;
  /** Whether an answer means that there is nothing, beside 404 and 410. */
  isAbsent?: (response: Response) => boolean;
  /** Bytes that must come. */
  bytes?: number | undefined;
  /** What they must hash to. */
  digest?: Digest | undefined;
}

/** One answer. */
export interface Answer {
  headers: Headers;
  bytes: Uint8Array;
  /** Where it came from in the end. */
  url: URL;
}

const REDIRECTS = 5;
const LONGEST_WAIT_MS = 30_000;

/** What may be better the next time. */
class Passing extends Error {
  readonly waitMs: number | undefined;

  constructor(message: string, waitMs?: number, cause?: unknown) {
    super(message, { cause });
    this.waitMs = waitMs;
  }
}

export class HttpReader {
  readonly policy: Policy;

  constructor(policy: Partial<Policy> = {}) {
    this.policy = { ...DEFAULT_POLICY, ...policy };
  }

  /**
   * The answer, or undefined where there is nothing at the address (404, 410).
   *
   * @throws MoloraError `download_failed`; `header_too_large` where it is longer than `maxFileBytes`, before it is read;
   * `checksum_mismatch`; `cancelled` once the signal is aborted
   */
  async read(ask: Ask, signal?: AbortSignal): Promise<Answer | undefined> {
    return this.#insist(ask, "GET", signal);
  }

  /** The same without a body. */
  async head(ask: Ask, signal?: AbortSignal): Promise<Answer | undefined> {
    return this.#insist(ask, "HEAD", signal);
  }

  /** The error where something must be and is not, such as a file that was listed. */
  gone({ url }: Ask, why = "it is not there any more"): MoloraError {
    return failed(url, why);
  }

  async #insist(ask: Ask, method: string, signal: AbortSignal | undefined): Promise<Answer | undefined> {
    const { retries, backoffMs } = this.policy;
    for (let attempt = 0; ; attempt++) {
      if (signal?.aborted) throw new MoloraError("cancelled", "the download was cancelled");
      try {
        return await this.#attempt(ask, method, signal);
      } catch (thrown) {
        if (!(thrown instanceof Passing)) throw thrown;
        if (attempt >= retries) throw failed(ask.url, `${thrown.message} (${attempt + 1} attempts)`, thrown);
        const wait = thrown.waitMs ?? backoffMs * 2 ** attempt * (1 + Math.random() / 2);
        await pause(Math.min(wait, LONGEST_WAIT_MS), signal);
      }
    }
  }

  async #attempt(ask: Ask, method: string, signal: AbortSignal | undefined): Promise<Answer | undefined> {
    const watch = new Watch(this.policy, signal);
    try {
      const response = await this.#follow(ask, method, watch);
      const { status } = response;
      if (status === 404 || status === 410 || ask.isAbsent?.(response)) {
        await response.body?.cancel();
        return undefined;
      }
      if (!response.ok) {
        await response.body?.cancel();
        if (ask.refused?.(response)) throw new Passing(`it answered ${status}`, 0);
        throw refusal(ask, response);
      }
      const bytes = method === "HEAD" ? new Uint8Array(0) : await this.#collect(response, ask, watch);
      return { headers: response.headers, bytes, url: new URL(response.url || ask.url) };
    } catch (thrown) {
      if (thrown instanceof Passing || MoloraError.is(thrown)) throw thrown;
      if (signal?.aborted) throw new MoloraError("cancelled", "the download was cancelled");
      throw new Passing(watch.late ?? innermost(thrown), undefined, thrown);
    } finally {
      watch.end();
    }
  }

  /** Follows redirects by hand: another origin is asked without credentials, and none by plain http. */
  async #follow(ask: Ask, method: string, watch: Watch): Promise<Response> {
    let target = ask.url;
    for (let hop = 0; hop <= REDIRECTS; hop++) {
      const own = target.origin === ask.url.origin;
      const { url, headers } = (own ? await ask.authorize?.(target) : undefined) ?? { url: target, headers: {} };
      const response = await fetch(url, { method, headers, redirect: "manual", signal: watch.signal });
      const location = [301, 302, 303, 307, 308].includes(response.status) && response.headers.get("location");
      if (!location) return response;
      await response.body?.cancel();
      const next = new URL(location, target);
      if (next.protocol !== "https:" && !(next.protocol === "http:" && isThisMachine(next))) {
        throw failed(ask.url, `it redirects to ${next.protocol}//${next.host}, which is not https`);
      }
      // What authorises a request can stand in its address: an answer of the same place may repeat it, others never see it.
      target = next;
    }
    throw failed(ask.url, `it redirects more than ${REDIRECTS} times`);
  }

  async #collect(response: Response, ask: Ask, watch: Watch): Promise<Uint8Array> {
    const { maxFileBytes } = this.policy;
    // A length is of what crosses the wire; unpacked, it says nothing.
    const packed = (response.headers.get("content-encoding") ?? "identity") !== "identity";
    const stated = packed ? null : response.headers.get("content-length");
    const expected = ask.bytes ?? (stated === null ? undefined : Number(stated));
    if ((expected ?? 0) > maxFileBytes) throw await tooLong(response, ask.url, expected, maxFileBytes);
    if (ask.bytes !== undefined && stated !== null && Number(stated) !== ask.bytes) {
      await response.body?.cancel();
      throw new Passing(`it announces ${stated} bytes where ${ask.bytes} were listed`);
    }
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body ?? []) {
      watch.progress();
      length += chunk.length;
      if (length > maxFileBytes) throw tooLongError(ask.url, undefined, maxFileBytes);
      if (expected !== undefined && length > expected) throw new Passing(`more than its ${expected} bytes came`);
      chunks.push(chunk);
    }
    if (expected !== undefined && length < expected) throw new Passing(`${length} of its ${expected} bytes came`);
    const bytes = new Uint8Array(Buffer.concat(chunks, length));
    checkDigest(bytes, ask);
    return bytes;
  }
}

function checkDigest(bytes: Uint8Array, { url, digest }: Ask): void {
  if (digest === undefined) return;
  const found = createHash(digest.algorithm).update(bytes).digest("hex");
  if (found === digest.hex) return;
  throw new MoloraError(
    "checksum_mismatch",
    `${shownUrl(url)}: its ${digest.algorithm} is ${found}, not ${digest.hex}`,
    {
      remedy: "Something between here and the source changes the file, or it was changed while it was read; try again.",
    },
  );
}

/** Aborts when nothing comes for too long, when an attempt takes too long, or when the caller wishes. */
class Watch {
  readonly #stop = new AbortController();
  readonly #stallMs: number;
  readonly #whole: NodeJS.Timeout;
  readonly #outer: AbortSignal | undefined;
  readonly #abort = () => this.#stop.abort();
  #stall: NodeJS.Timeout;
  /** Why it aborted, if it did. */
  late: string | undefined;

  constructor({ stallMs, attemptMs }: Policy, outer: AbortSignal | undefined) {
    this.#stallMs = stallMs;
    this.#outer = outer;
    this.#whole = setTimeout(() => this.#end(`it took more than ${attemptMs / 1000} s`), attemptMs);
    this.#stall = this.#watch();
    if (outer?.aborted) this.#abort();
    outer?.addEventListener("abort", this.#abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  progress(): void {
    clearTimeout(this.#stall);
    this.#stall = this.#watch();
  }

  end(): void {
    clearTimeout(this.#stall);
    clearTimeout(this.#whole);
    this.#outer?.removeEventListener("abort", this.#abort);
  }

  #watch(): NodeJS.Timeout {
    return setTimeout(() => this.#end(`nothing came for ${this.#stallMs / 1000} s`), this.#stallMs);
  }

  #end(why: string): void {
    this.late = why;
    this.#stop.abort();
  }
}

function refusal(ask: Ask, { status, headers }: Response): Error {
  const answered = `it answered ${status}`;
  if (status === 408 || status === 429 || status >= 500) {
    const seconds = Number(headers.get("retry-after") ?? Number.NaN);
    return new Passing(answered, Number.isFinite(seconds) ? seconds * 1000 : undefined);
  }
  const region = headers.get("x-amz-bucket-region");
  if (region !== null && status !== 403) {
    return failed(
      ask.url,
      `${answered}: the bucket is of the region ${region}`,
      undefined,
      `Set AWS_REGION=${region}.`,
    );
  }
  const closed = status === 401 || status === 403;
  return failed(ask.url, answered, undefined, closed ? ask.remedy : undefined);
}

async function tooLong(response: Response, url: URL, bytes: number | undefined, most: number): Promise<MoloraError> {
  await response.body?.cancel();
  return tooLongError(url, bytes, most);
}

function tooLongError(url: URL, bytes: number | undefined, most: number): MoloraError {
  return new MoloraError(
    "header_too_large",
    `${shownUrl(url)} has ${bytes ?? `more than ${most}`} bytes, at most ${most} are fetched`,
    {
      remedy: "Raise --source-file-bytes if it is meant to be that long.",
    },
  );
}

function failed(url: URL, why: string, cause?: unknown, remedy?: string): MoloraError {
  return new MoloraError("download_failed", `${shownUrl(url)}: ${why}`, {
    remedy: remedy ?? "Check that the source is there and can be reached from this machine.",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Without what follows "?": a signature can stand there. */
export function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

function innermost(thrown: unknown): string {
  let error = thrown;
  while (error instanceof Error && error.cause instanceof Error) error = error.cause;
  return error instanceof Error ? error.message || error.name : String(error);
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", go);
      resolve();
    };
    const timer = setTimeout(go, ms);
    signal?.addEventListener("abort", go, { once: true });
  });
}
