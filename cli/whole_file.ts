// Files that appear under their name only when they are whole.

import { rename, writeFile } from "node:fs/promises";

export async function writeWhole(path: string, data: string | Uint8Array): Promise<void> {
  await writeFile(`${path}.partial`, data);
  await rename(`${path}.partial`, path);
}
