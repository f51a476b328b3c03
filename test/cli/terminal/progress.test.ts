// The progress line on a terminal and in a log.

import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { formatBytes, Progress } from "../../../cli/terminal/progress.ts";

/** Gathers what is written; a stream with the one property of a terminal that matters here. */
function sink(isTTY: boolean) {
  const stream = Object.assign(new PassThrough(), { isTTY });
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => String(stream.read() ?? "") };
}

test("a terminal sees one line redrawn, and the rest below it", () => {
  const { stream, text } = sink(true);
  const progress = new Progress("download", formatBytes, stream);
  progress.update(0, 98_362_432);
  progress.update(98_362_432, 98_362_432);
  progress.finish();
  const drawn = text();
  assert.equal(drawn.split("\n").length, 2);
  assert.equal(drawn.split("\r").length, 3);
  assert.match(drawn, /█{28} 100 % {2}98\.4 MB of 98\.4 MB\n$/);
});

test("a log gets few lines, the last one always", () => {
  const { stream, text } = sink(false);
  const progress = new Progress("download", String, stream);
  for (let done = 0; done <= 1000; done++) progress.update(done, 1000);
  progress.finish();
  assert.equal(text(), "download   0 %  0 of 1000\ndownload 100 %  1000 of 1000\n");
});

test("bytes in powers of ten", () => {
  assert.deepEqual([0, 999, 1000, 98_362_432, 4_294_967_295].map(formatBytes), [
    "0 B",
    "999 B",
    "1.0 kB",
    "98.4 MB",
    "4.3 GB",
  ]);
});
