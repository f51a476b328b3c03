// A command's output: text for people or one JSON value for machines on stdout, remarks and errors on stderr.

import { MoloraError } from "../../proto/errors.ts";
import { writeFailure } from "./write_failure.ts";

export interface Streams {
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
}

export class Output {
  /** Standard output carries one JSON value and nothing else. */
  readonly json: boolean;
  readonly streams: Streams;
  #failure: MoloraError | undefined;

  constructor(json: boolean, streams: Streams = process) {
    this.json = json;
    this.streams = streams;
    // A stream that nobody listens to takes the process down with a stack.
    streams.stdout.on("error", (error) => {
      this.#failure ??= writeFailure(error, "standard output") ?? MoloraError.from(error);
    });
    streams.stderr.on("error", () => {});
  }

  /**
   * Text for a person on stdout, as it is (no newline added); nothing in JSON mode.
   *
   * @throws MoloraError `output_failed` once something could not be written: nobody reads on, so the command can end.
   */
  write(text: string): void {
    if (!this.json) this.#put(text);
  }

  /** Resolves when all was written. @throws MoloraError `output_failed` */
  async flush(): Promise<void> {
    if (this.#failure === undefined && !this.streams.stdout.destroyed) {
      await new Promise<void>((resolve) => this.streams.stdout.write("", () => resolve()));
      // The error of a write is told after its callback.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Writes a line for a person to stdout; writes nothing in JSON mode. */
  print(line = ""): void {
    this.write(`${line}\n`);
  }

  /** Writes a remark to stderr, in both modes. */
  note(line: string): void {
    this.streams.stderr.write(`${line}\n`);
  }

  /** Writes the command's result to stdout, in JSON mode only. */
  result(value: unknown): void {
    if (this.json) this.#put(`${JSON.stringify(value)}\n`);
  }

  #put(text: string): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.streams.stdout.write(text);
  }

  /** Writes an error: `error[code]` and the remedy to stderr, or `{ "error": … }` to stdout in JSON mode. */
  fail(error: MoloraError): void {
    if (this.json && this.#failure === undefined) {
      this.result({ error });
      return;
    }
    this.note(`error[${error.code}]: ${error.message}`);
    if (error.remedy !== undefined) this.note(`remedy: ${error.remedy}`);
    // An internal error is a defect of molora, and a report of it needs the stack
    if (error.code === "internal" && error.cause instanceof Error) this.note(error.cause.stack ?? "");
  }

  /** Whether stdout shows colours: it is a terminal and NO_COLOR is not set, or FORCE_COLOR says so. */
  get colors(): boolean {
    const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
    if (FORCE_COLOR !== undefined && FORCE_COLOR !== "") return FORCE_COLOR !== "0";
    return !NO_COLOR && TERM !== "dumb" && this.streams.stdout.isTTY === true;
  }
}
