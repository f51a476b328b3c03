// The progress bar of downloads, one after another.

import type { FetchProgress } from "../../node/index.ts";
import { formatBytes, Progress } from "./progress.ts";

export class FetchBar {
  readonly #stream: NodeJS.WriteStream;
  #bar: Progress | undefined;
  #total = 0;

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  /** What is there already is not shown: a download is open from its first missing byte to its last. */
  readonly update: FetchProgress = ({ source, received, total }) => {
    if (this.#bar === undefined || total !== this.#total) {
      if (received >= total) return;
      this.finish();
      this.#bar = new Progress("fetching", formatBytes, this.#stream);
      this.#total = total;
    }
    this.#bar.update(received, total, source);
    if (received >= total) this.finish();
  };

  /** Ends the line of a download that was not finished. */
  finish(): void {
    this.#bar?.finish();
    this.#bar = undefined;
  }
}
