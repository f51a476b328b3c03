// Finds out what a path or a hub's repository is, from names and headers: no device is opened, no weights are read.

import { loadAdapter } from "../../files/lora/load.ts";
import { openHeaders } from "../../files/model_files/model_files.ts";
import type { ByteSource, SourceFolder } from "../../files/source.ts";
import { readGgufHeader } from "../../files/weights/gguf/gguf_header.ts";
import { partOf } from "../../files/weights/gguf/split.ts";
import { openPath } from "../../node/files.ts";
import { formatHubReference, isHubReference, parseHubReference } from "../../node/hub/reference.ts";
import { RemoteFile, RemoteFolder } from "../../node/hub/remote.ts";
import { Snapshots } from "../../node/hub/snapshot.ts";
import { MoloraError } from "../../proto/errors.ts";
import { MIXTURE_FILE, readMixture } from "../../router/format.ts";
import { inspectAdapter, MLX_WEIGHTS, PEFT_CONFIG } from "./adapter.ts";
import { inspectBase } from "./base.ts";
import { type Inspection, type Kind, type Problem, problem } from "./inspection.ts";
import { inspectMixture } from "./mixture.ts";

interface Opened {
  /** As commands take it. */
  path: string;
  from: ByteSource | SourceFolder;
}

/** `model`: the base that an adapter or a mixture is tried on. @throws MoloraError where there is nothing to inspect */
export async function inspect(path: string, model?: string): Promise<Inspection> {
  const opened = await open(path);
  const files = await filesOf(opened);
  const kind = await kindOf(opened, files);
  const found: Inspection = {
    path: opened.path,
    kind,
    files,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    loads: false,
    use: [],
    base: null,
    adapter: null,
    mixture: null,
    problems: [],
    remarks: [],
  };
  const several = kind === "base" ? ggufChoices(opened, files) : [];
  if (several.length > 1) {
    const use = several.map((choice) => `--model ${choice}`);
    return { ...found, use, remarks: [`it holds ${several.length} GGUF files: name one of them`] };
  }
  await fill(found, opened, several[0]);
  if (model !== undefined && (kind === "adapter" || kind === "mixture")) {
    found.problems.push(...(await fitProblems(kind, opened, model)));
  }
  const loads = kind !== null && found.problems.length === 0;
  return { ...found, loads, use: loads ? [flagFor(kind, several[0] ?? opened.path)] : [] };
}

async function fill(found: Inspection, { from }: Opened, gguf: string | undefined): Promise<void> {
  if (found.kind === "base") {
    const { facts, problems, remarks } = await inspectBase(gguf === undefined ? from : (await open(gguf)).from);
    Object.assign(found, { base: facts, problems, remarks });
  } else if (found.kind === "adapter") {
    const { facts, problems } = await inspectAdapter(from);
    Object.assign(found, { adapter: facts, problems });
  } else if (found.kind === "mixture" && "list" in from) {
    const { facts, problems } = await inspectMixture(from);
    Object.assign(found, { mixture: facts, problems });
  } else {
    found.problems.push({
      part: "files",
      code: "file_not_found",
      message: `${found.path} holds no base, no adapter and no mixture that is read`,
      remedy: "A base has safetensors or a GGUF, an adapter adapter_config.json, a mixture mixture.json.",
    });
  }
}

async function open(path: string): Promise<Opened> {
  if (!isHubReference(path)) return { path, from: await openPath(path) };
  const snapshots = new Snapshots();
  const pinned = await snapshots.pin(parseHubReference(path));
  const files = await snapshots.list(pinned);
  const place = { hub: snapshots.hub, repo: pinned.repo, commit: pinned.revision, files };
  const file = files.find((candidate) => candidate.path === pinned.path);
  if (file !== undefined) return { path: formatHubReference(pinned), from: new RemoteFile(place, file) };
  const folder = new RemoteFolder(place, pinned.path ?? "");
  if ((await folder.list()).length > 0) return { path: formatHubReference(pinned), from: folder };
  throw new MoloraError("file_not_found", `${pinned.repo} holds no ${pinned.path ?? "files"}`, {
    remedy: `It holds: ${files
      .map((one) => one.path)
      .slice(0, 12)
      .join(", ")}.`,
  });
}

async function filesOf({ path, from }: Opened): Promise<Inspection["files"]> {
  if ("read" in from) return [{ path: path.split(/[/:]/).at(-1)!, bytes: from.size }];
  const names = (await from.list()).sort();
  return Promise.all(names.map(async (name) => ({ path: name, bytes: (await from.open(name))?.size ?? 0 })));
}

async function kindOf({ from }: Opened, files: Inspection["files"]): Promise<Kind | null> {
  if ("read" in from) {
    if (!from.name.endsWith(".gguf")) return null;
    // What cannot be read is inspected as a base, which says why.
    const header = await readGgufHeader(from).catch(() => undefined);
    return header?.metadata.get("general.type") === "adapter" ? "adapter" : "base";
  }
  const names = files.map(({ path }) => path);
  if (names.includes(MIXTURE_FILE)) return "mixture";
  if (names.includes(PEFT_CONFIG) || names.includes(MLX_WEIGHTS)) return "adapter";
  return names.some((name) => /\.(gguf|safetensors)$/.test(name)) || names.includes("config.json") ? "base" : null;
}

/** The GGUF files of a folder without safetensors, as commands take them; of one in parts the first. */
function ggufChoices({ path, from }: Opened, files: Inspection["files"]): string[] {
  if ("read" in from || files.some((file) => file.path.endsWith(".safetensors"))) return [];
  const ggufs = files.filter((file) => file.path.endsWith(".gguf") && (partOf(file.path)?.number ?? 1) === 1);
  const join = !isHubReference(path) ? "/" : parseHubReference(path).path === undefined ? ":" : "/";
  // A folder of this machine with one GGUF is opened as such, with what lies beside it.
  if (ggufs.length === 1 && join === "/" && !isHubReference(path)) return [];
  return ggufs.map((file) => `${path.replace(/\/$/, "")}${join}${file.path}`);
}

function flagFor(kind: Kind, path: string): string {
  return kind === "base" ? `--model ${path}` : `--${kind} NAME=${path}`;
}

async function fitProblems(kind: "adapter" | "mixture", { from }: Opened, model: string): Promise<Problem[]> {
  try {
    const { config } = await openHeaders((await open(model)).from);
    if (kind === "adapter") await loadAdapter("inspected", from, config);
    else if ("list" in from) await readMixture("inspected", from, config);
    return [];
  } catch (error) {
    return [problem(`on ${model}`, MoloraError.from(error))];
  }
}
