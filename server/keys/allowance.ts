// How much a key may take: requests and tokens a minute as buckets that refill, and requests that are open at once.

import { MoloraError } from "../../proto/errors.ts";
import type { KeyLimits } from "./key_record.ts";

/** A bucket that holds a minute's worth and refills evenly. What is spent may exceed it; it is paid back before more comes. */
class Bucket {
  #level: number;
  #filled: number;

  constructor(perMinute: number, now: number) {
    this.#level = perMinute;
    this.#filled = now;
  }

  /** Seconds until `least` are in it; 0: they are. `now` in milliseconds. */
  wait(perMinute: number, least: number, now: number): number {
    this.#level = Math.min(perMinute, this.#level + ((now - this.#filled) * perMinute) / 60_000);
    this.#filled = now;
    return Math.max(0, ((least - this.#level) * 60) / perMinute);
  }

  take(count: number): void {
    this.#level -= count;
  }
}

export class Allowance {
  limits: KeyLimits;
  readonly #now: () => number;
  #requests: Bucket | undefined;
  #tokens: Bucket | undefined;
  #open = 0;

  /** `now`: milliseconds of a clock that does not jump. */
  constructor(limits: KeyLimits, now: () => number = () => performance.now()) {
    this.limits = limits;
    this.#now = now;
  }

  /** Requests that are open. */
  get open(): number {
    return this.#open;
  }

  /** Lets a request in; call what it returns once, with the tokens it took, when it ends. @throws MoloraError `rate_limited` */
  enter(): (tokens: number) => void {
    const { requestsPerMinute, tokensPerMinute, concurrent } = this.limits;
    const now = this.#now();
    if (concurrent !== undefined && this.#open >= concurrent) {
      throw limited(`it has ${this.#open} requests open, and may have ${concurrent}`, "concurrent", concurrent);
    }
    if (requestsPerMinute !== undefined) {
      this.#requests ??= new Bucket(requestsPerMinute, now);
      const wait = this.#requests.wait(requestsPerMinute, 1, now);
      if (wait > 0)
        throw limited(`it may make ${requestsPerMinute} a minute`, "requestsPerMinute", requestsPerMinute, wait);
    }
    if (tokensPerMinute !== undefined) {
      this.#tokens ??= new Bucket(tokensPerMinute, now);
      const wait = this.#tokens.wait(tokensPerMinute, 1, now);
      if (wait > 0)
        throw limited(`it may use ${tokensPerMinute} tokens a minute`, "tokensPerMinute", tokensPerMinute, wait);
    }
    this.#requests?.take(1);
    this.#open++;
    return (tokens) => {
      this.#open--;
      this.#tokens?.take(tokens);
    };
  }
}

function limited(why: string, name: keyof KeyLimits, limit: number, wait?: number): MoloraError {
  const retryAfterSeconds = wait === undefined ? undefined : Math.ceil(wait);
  const remedy =
    retryAfterSeconds === undefined ? "Wait for one of them to end." : `Try again in ${retryAfterSeconds} s.`;
  return new MoloraError("rate_limited", `the limit of this key is reached: ${why}`, {
    remedy,
    details: { limit: name, [name]: limit, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) },
  });
}
