// Adapters and mixtures by name, from folders and remote places, in the order an operator named them.
// What a name stands for is looked up when somebody asks for it first; what no source has is remembered for a while.

import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import type { Asked } from "../../engine/adapters/asked.ts";
import type { FoundFolder, NameSources } from "../../engine/host.ts";
import { checkName } from "../../files/lora/names.ts";
import type { SourceFolder } from "../../files/source.ts";
import type { AbortLike, DiskReport } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { DirectoryFolder, openPath } from "../files.ts";
import type { DiskCache } from "./disk_cache.ts";
import { HttpReader } from "./http_reader.ts";
import { childOf, isRemote, type Locator, liesBelow, locatorText, readLocator } from "./locator.ts";
import { openStore } from "./open_store.ts";
import type { Policy } from "./policy.ts";
import { openRemoteFolder } from "./remote_folder.ts";

export interface SourceOptions {
  /** Folders and addresses whose folders are adapters and mixtures, the first that has a name gives it. */
  sources: readonly string[];
  /** Addresses below which a request may name a folder itself. Default: none. */
  allowed?: readonly string[];
  /** Addresses that the operator loads from, beside those. */
  trusted?: readonly string[];
  cache?: DiskCache;
  policy?: Partial<Policy>;
  /** Hears what an operator should know: a damaged file, a place that cannot be asked. */
  told?: (problem: string) => void;
}

/** Names that are remembered as absent. */
const MOST_ABSENT = 10_000;

interface Absence {
  /** By performance.now(). */
  until: number;
  /** Why nobody knows, if so. */
  error: MoloraError | undefined;
}

export class Sources implements NameSources {
  readonly #sources: readonly Locator[];
  readonly #allowed: readonly string[];
  readonly #reader: HttpReader;
  readonly #options: SourceOptions;
  readonly #absent = new Map<string, Absence>();

  /** @throws MoloraError `bad_arguments` for what is no source. */
  constructor(options: SourceOptions) {
    this.#options = options;
    this.#sources = options.sources.map(readLocator);
    this.#allowed = options.allowed ?? [];
    for (const prefix of this.#allowed) {
      if (!isRemote(prefix)) throw localPrefix(prefix);
      readLocator(prefix);
    }
    this.#reader = new HttpReader(options.policy);
  }

  get disk(): DiskReport | undefined {
    return this.#options.cache?.stats;
  }

  /** Names by which requests reach what an address stands for: an address itself is no name. */
  nameOf(text: string): string {
    if (!isRemote(text)) return text;
    const place = locatorText(readLocator(text));
    const last = place
      .split("/")
      .at(-1)!
      .replace(/[^A-Za-z0-9._-]+/g, "-")
      .slice(0, 100);
    return `${last}.${createHash("sha256").update(place).digest("hex").slice(0, 8)}`;
  }

  asked(text: string): Asked {
    const places = isRemote(text) ? [readLocator(text)] : this.#sources;
    return { places: places.map(locatorText), againMs: this.#reader.policy.absentMs };
  }

  /**
   * What the first source has that knows the name, or an address that requests may name.
   *
   * @throws MoloraError `download_failed` where a source cannot be asked, for a later one might hold something else of that name;
   * `not_permitted` for an address that nobody allowed
   */
  async find(name: string, signal?: AbortLike): Promise<FoundFolder | undefined> {
    const known = this.#absent.get(name);
    if (known !== undefined && performance.now() < known.until) {
      if (known.error !== undefined) throw known.error;
      return undefined;
    }
    try {
      const found = isRemote(name) ? await this.#named(name, signal) : await this.#search(name, signal);
      if (found === undefined) this.#remember(name, this.#reader.policy.absentMs, undefined);
      else this.#absent.delete(name);
      return found;
    } catch (thrown) {
      const error = MoloraError.from(thrown);
      if (error.code === "download_failed") this.#remember(name, this.#reader.policy.absentMs / 10, error);
      throw error;
    }
  }

  /** A folder at an address that lies in a source or is allowed, such as a mixture's expert. @throws MoloraError `not_permitted`, `file_not_found` */
  async open(address: string, signal?: AbortLike): Promise<SourceFolder> {
    const { trusted = [] } = this.#options;
    const roots = [...this.#sources.map(locatorText).filter(isRemote), ...this.#allowed, ...trusted];
    if (!roots.some((root) => liesBelow(root, address))) throw notAllowed(address);
    const folder = await this.#open(readLocator(address), signal);
    if (folder !== undefined) return folder;
    throw new MoloraError("file_not_found", `there is nothing at ${address}`, { remedy: "Check the address." });
  }

  async #search(name: string, signal?: AbortLike): Promise<FoundFolder | undefined> {
    checkName("an adapter or a mixture", name, "bad_request");
    if (name === "." || name === "..") return undefined;
    for (const source of this.#sources) {
      const found = await this.#look(source, name, signal);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #named(address: string, signal?: AbortLike): Promise<FoundFolder | undefined> {
    if (!this.#allowed.some((prefix) => liesBelow(prefix, address))) throw notAllowed(address);
    return this.#look(readLocator(address), "", signal);
  }

  async #look(source: Locator, name: string, signal?: AbortLike): Promise<FoundFolder | undefined> {
    const place = name === "" ? source : childOf(source, name);
    const folder = await this.#open(place, signal);
    const kind = folder && kindOf(await folder.list());
    if (folder === undefined || kind === undefined) return undefined;
    const open = (path: string) => (place.scheme === "folder" && !isRemote(path) ? openPath(path) : this.open(path));
    return { kind, path: locatorText(place), folder, open };
  }

  async #open(place: Locator, signal?: AbortLike): Promise<SourceFolder | undefined> {
    if (place.scheme === "folder") {
      const found = await stat(place.path).catch(() => undefined);
      return found?.isDirectory() ? new DirectoryFolder(place.path) : undefined;
    }
    const { cache, told } = this.#options;
    return openRemoteFolder({
      store: await openStore(place, this.#reader),
      name: locatorText(place),
      cache,
      maxFileBytes: this.#reader.policy.maxFileBytes,
      ...(told === undefined ? {} : { told }),
      ...(signal === undefined ? {} : { signal: signal as AbortSignal }), // every one is one
    });
  }

  #remember(name: string, ms: number, error: MoloraError | undefined): void {
    this.#absent.delete(name);
    this.#absent.set(name, { until: performance.now() + ms, error });
    for (const oldest of this.#absent.keys()) {
      if (this.#absent.size <= MOST_ABSENT) return;
      this.#absent.delete(oldest);
    }
  }
}

/** What files make of a folder; undefined: neither. */
function kindOf(files: readonly string[]): FoundFolder["kind"] | undefined {
  if (files.includes("mixture.json") || files.includes("recipe.json")) return "mixture";
  const isAdapter = files.includes("adapter_config.json") || files.some((file) => file.endsWith(".gguf"));
  return isAdapter ? "adapter" : undefined;
}

function notAllowed(address: string): MoloraError {
  return new MoloraError(
    "not_permitted",
    `${JSON.stringify(address.slice(0, 200))} is not among the sources of this engine`,
    {
      remedy:
        "Name it with --source to serve its folders by name, or with --allow-source to let requests name addresses below it.",
    },
  );
}

function localPrefix(prefix: string): MoloraError {
  return new MoloraError("bad_arguments", `${JSON.stringify(prefix)} is a folder of this machine`, {
    remedy:
      "Requests may name remote addresses only; name the folder with --adapters, and its folders go by their names.",
  });
}
