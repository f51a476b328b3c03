// How patient and how trusting a download is.

export interface Policy {
  /** Bytes of one file, known before it is fetched. */
  maxFileBytes: number;
  /** Milliseconds until an answer begins, and between two pieces of it. */
  stallMs: number;
  /** Milliseconds for the whole of one attempt. */
  attemptMs: number;
  /** Attempts after the first, for what may pass: broken connections, 408, 429 and 5xx. */
  retries: number;
  /** Milliseconds before the first retry; each further one waits twice as long, with up to half of it by chance. */
  backoffMs: number;
  /** Milliseconds a name that no source has is not asked for again; one whose source failed, a tenth of it. */
  absentMs: number;
}

export const DEFAULT_POLICY: Readonly<Policy> = {
  maxFileBytes: 2 ** 30,
  stallMs: 15_000,
  attemptMs: 300_000,
  retries: 4,
  backoffMs: 200,
  absentMs: 10_000,
};
