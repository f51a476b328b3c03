// `molora pull`: fetches bases, adapters and mixtures from a Hugging Face hub, for use without a network.

import { pullWhole } from "../../node/hub/pull.ts";
import { formatHubReference, isHubReference, parseHubReference } from "../../node/hub/reference.ts";
import { Snapshots } from "../../node/hub/snapshot.ts";
import { MoloraError } from "../../proto/errors.ts";
import { defineCommand } from "../command.ts";
import { FetchBar } from "../terminal/fetch_bar.ts";
import { formatBytes } from "../terminal/progress.ts";

/** What `pull --json` prints of each reference, and of each expert of a mixture. */
export interface PullResult {
  /** With the commit that the revision is: what it names never changes. */
  reference: string;
  commit: string;
  /** The file or folder on this machine. */
  path: string;
  files: { path: string; bytes: number }[];
}

export const command = defineCommand({
  name: "pull",
  summary: "Fetch a base, an adapter or a mixture from a Hugging Face hub",
  details: `
  molora pull hf:user/repo                    what is needed of the repository, and nothing else
  molora pull hf:user/repo:model.Q4_K_M.gguf  one file
  molora pull hf:user/repo@v1.0:adapters/sql  a folder at a branch, a tag or a commit

The same names stand wherever a path does: molora generate --model hf:user/repo --adapter sql=hf:user/other. What is
fetched is checked, kept in the cache (MOLORA_CACHE) and used again; a download that broke off goes on where it ended.
HF_TOKEN opens private and gated repositories, HF_ENDPOINT names another hub, HF_HUB_OFFLINE=1 asks none.
`,
  flags: {},
  positionals: { placeholder: "hf:user/repo[@revision][:path] …", most: 64 },
  async run({ positionals, output }) {
    if (positionals.length === 0) {
      throw new MoloraError("bad_arguments", "there is nothing to pull", { remedy: "Name it: hf:user/repo." });
    }
    const references = positionals.map((text) => parseHubReference(isHubReference(text) ? text : `hf:${text}`));
    const bar = new FetchBar(output.streams.stderr);
    const snapshots = new Snapshots();
    const results: PullResult[] = [];
    try {
      for (const reference of references) {
        for (const { pinned, path, files } of await pullWhole(snapshots, reference, bar.update)) {
          const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
          output.print(`${formatHubReference(pinned)}\n  ${formatBytes(bytes)} in ${path}`);
          const listed = files.map((file) => ({ path: file.path, bytes: file.bytes }));
          results.push({ reference: formatHubReference(pinned), commit: pinned.revision, path, files: listed });
        }
      }
    } finally {
      bar.finish();
    }
    output.result(results);
  },
});
