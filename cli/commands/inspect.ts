// `molora inspect`: what a file, a folder or a hub's repository is, and whether it loads; no device is opened.

import { isPreset, openPreset } from "../../node/presets.ts";
import { MoloraError } from "../../proto/errors.ts";
import { columns, defineCommand } from "../command.ts";
import { text } from "../flags/flags.ts";
import { inspect } from "../inspect/inspect.ts";
import { inspectionRows } from "../inspect/rows.ts";
import { FetchBar } from "../terminal/fetch_bar.ts";

export const command = defineCommand({
  name: "inspect",
  summary: "Say what a file, folder or hub repository is, and whether and how it loads",
  details: `
  molora inspect models/llama.gguf
  molora inspect adapters/sql --model nano
  molora inspect hf:user/repo

Of a repository on a hub only names and headers are fetched. What does not load is told part by part, with the reason and
a remedy; the exit code is 0 all the same. --json prints the same for machines, with "loads" and "problems".
`,
  flags: { model: text("PATH", "Try an adapter, a mixture or a recipe on this base") },
  positionals: { placeholder: "PATH|hf:user/repo[@revision][:path]", most: 1 },
  async run({ flags, positionals: [path], output }) {
    if (path === undefined) {
      throw new MoloraError("bad_arguments", "there is nothing to inspect", { remedy: "Name a path or hf:user/repo." });
    }
    const bar = new FetchBar(output.streams.stderr);
    const named = async (name: string) => (isPreset(name) ? (await openPreset(name, bar.update)).model : name);
    const found = await inspect(await named(path), flags.model && (await named(flags.model)));
    output.print(found.path);
    output.print(columns(inspectionRows(found)));
    for (const { part, code, message, remedy } of found.problems) {
      output.print(`\ndoes not load, ${part}: error[${code}]: ${message}${remedy === null ? "" : `\n  ${remedy}`}`);
    }
    output.result(found);
  },
});
