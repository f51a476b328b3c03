// `fetch` for servers that are busy or break off: it waits for an answer to begin, and asks again where that can help.

/** Longest wait for an answer to begin, and for the next piece of a body. */
export const STALL_MS = 30_000;
/** Where a server asks to be left alone for longer, its answer is taken as it is. */
const LONGEST_WAIT_MS = 120_000;
const TRIES = 5;
const BUSY = [408, 429, 500, 502, 503, 504];

export interface Patience {
  /** The wait before the second try; each further one doubles it. */
  backoffMs: number;
}

/**
 * The first answer that is not "busy", or the last one. What the server says about when to come back outweighs the
 * doubling wait.
 *
 * @throws Error where no answer begins in any try.
 */
export async function patientFetch(url: string | URL, init: RequestInit, { backoffMs }: Patience): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const last = attempt === TRIES;
    const wait = backoffMs * 2 ** (attempt - 1) * (1 + Math.random() / 4);
    let answer: Response;
    try {
      answer = await fetchAnswer(url, init);
    } catch (error) {
      if (last || init.signal?.aborted) throw error;
      await delay(wait);
      continue;
    }
    if (last || !BUSY.includes(answer.status)) return answer;
    const asked = askedWait(answer.headers);
    if (asked !== undefined && asked > LONGEST_WAIT_MS) return answer;
    await answer.body?.cancel().catch(() => {});
    await delay(asked ?? wait);
  }
}

/** Milliseconds after which the server wants to be asked again: Retry-After (RFC 9110), or the hub's RateLimit. */
export function askedWait(headers: Headers): number | undefined {
  const after = headers.get("retry-after");
  if (after !== null && /^\d+$/.test(after.trim())) return Number(after) * 1000;
  const at = Date.parse(after ?? "");
  if (!Number.isNaN(at)) {
    // Both by the server's clock, whatever this machine's says.
    const answered = Date.parse(headers.get("date") ?? "");
    return Math.max(0, at - (Number.isNaN(answered) ? Date.now() : answered));
  }
  const reset = /(?:^|;)\s*t=(\d+)/.exec(headers.get("ratelimit") ?? "")?.[1];
  return reset === undefined ? undefined : Number(reset) * 1000;
}

/** `fetch` that gives up when no answer begins. The body may take any time, as long as it keeps coming. */
export async function fetchAnswer(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error(`no answer within ${STALL_MS / 1000} s`)), STALL_MS);
  const signal = init.signal ? AbortSignal.any([init.signal, controller.signal]) : controller.signal;
  try {
    return await fetch(input, { ...init, signal });
  } finally {
    clearTimeout(timer);
  }
}

/** The stream's chunks. @throws Error when none comes for STALL_MS. */
export async function* unstalled(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await orStalled(reader.read());
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function orStalled<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const stalled = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came for ${STALL_MS / 1000} s`)), STALL_MS);
  });
  try {
    return await Promise.race([work, stalled]);
  } finally {
    clearTimeout(timer);
  }
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
