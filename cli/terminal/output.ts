// A command's output: text for people or one JSON value for machines on stdout, remarks and errors on stderr.

import type { MoloraError } from "../../proto/errors.ts";

export interface Streams {
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
}

export class Output {
  /** Standard output carries one JSON value and nothing else. */
  readonly json: boolean;
  readonly streams: Streams;

  constructor(json: boolean, streams: Streams = process) {
    this.json = json;
    this.streams = streams;
  }

  /** Writes text for a person to stdout without adding a newline; writes nothing in JSON mode. */
  write(text: string): void {
    if (!this.json) this.streams.stdout.write(text);
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
    if (this.json) this.streams.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** Writes an error: `error[code]` and the remedy to stderr, or `{ "error": … }` to stdout in JSON mode. */
  fail(error: MoloraError): void {
    if (this.json) {
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
