// Shows how far a long task is: a bar that redraws itself on a terminal, an occasional line elsewhere.

/** Amounts as a person reads them. */
export type AmountFormat = (amount: number) => string;

const BAR_WIDTH = 28;
const REDRAW_MS = 80;
/** Least time between two lines where they cannot be redrawn, so that a log stays short. */
const LINE_MS = 10_000;

export class Progress {
  readonly #label: string;
  readonly #format: AmountFormat;
  readonly #stream: NodeJS.WriteStream;
  readonly #start = performance.now();
  #shownAt = Number.NEGATIVE_INFINITY;
  #open = false;

  constructor(label: string, format: AmountFormat = String, stream: NodeJS.WriteStream = process.stderr) {
    this.#label = label;
    this.#format = format;
    this.#stream = stream;
  }

  /** Shows `done` of `total`, but not more often than a person can follow. `remark` stands at the end of the line. */
  update(done: number, total: number, remark = ""): void {
    const now = performance.now();
    const complete = done >= total;
    if (!complete && now - this.#shownAt < (this.#stream.isTTY ? REDRAW_MS : LINE_MS)) return;
    this.#shownAt = now;
    const line = this.#line(done, total, remark, (now - this.#start) / 1000);
    this.#stream.write(this.#stream.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
    this.#open = this.#stream.isTTY === true;
  }

  /** Ends the line; what is printed next stands below it. */
  finish(): void {
    if (this.#open) this.#stream.write("\n");
    this.#open = false;
  }

  #line(done: number, total: number, remark: string, seconds: number): string {
    const share = total > 0 ? Math.min(1, done / total) : 0;
    const filled = Math.round(share * BAR_WIDTH);
    const bar = this.#stream.isTTY ? ` ${"█".repeat(filled)}${"░".repeat(BAR_WIDTH - filled)}` : "";
    const rate = seconds > 0.5 ? `, ${this.#format(done / seconds)}/s` : "";
    const left =
      share > 0.01 && share < 1 && seconds > 1 ? `, ${Math.ceil((seconds * (1 - share)) / share)} s left` : "";
    const percent = `${Math.floor(share * 100)} %`.padStart(5);
    const amounts = `${this.#format(done)} of ${this.#format(total)}`;
    return `${this.#label}${bar} ${percent}  ${amounts}${rate}${left}${remark === "" ? "" : `  ${remark}`}`;
  }
}

/** `98.4 MB`: powers of ten, as disks and networks count. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const amount = bytes / 1000 ** power;
  return `${power === 0 ? Math.round(amount) : amount.toFixed(1)} ${units[power]}`;
}
