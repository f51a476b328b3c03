// What the engine is given from above: devices and files. Node and browsers each provide them.

import type { ByteSource, SourceFolder } from "../files/source.ts";
import type { AbortLike, DiskReport } from "../proto/api.ts";
import type { Asked } from "./adapters/asked.ts";
import type { Device } from "./device/device.ts";
import type { DeviceOptions } from "./engine_options.ts";
import type { MergeCrew } from "./merge_crew.ts";
import type { OpenGrammarThread } from "./sampling/threads/orders.ts";

export type { DeviceChoice, DeviceOptions } from "./engine_options.ts";

/** A folder that a source has under a name. */
export interface FoundFolder {
  kind: "adapter" | "mixture";
  /** Its path or address, as `Host.open` and `Host.resolve` take it. */
  path: string;
  folder: SourceFolder;
  /** Opens what something in the folder names, such as a mixture's expert, where the source allows it. @throws MoloraError */
  open(path: string): Promise<ByteSource | SourceFolder>;
}

/** Places that are asked for adapters and mixtures nobody has loaded. */
export interface NameSources {
  /**
   * What `name` stands for; undefined where no source has it. The signal ends the search.
   *
   * @throws MoloraError `download_failed` where a source cannot be asked, `not_permitted` for an address nobody allowed
   */
  find(name: string, signal?: AbortLike): Promise<FoundFolder | undefined>;
  /** The name under which something is loaded: `text` itself, or one made of an address. @throws MoloraError `bad_arguments` */
  nameOf(text: string): string;
  /** Where `find` looks for a name, or an address. */
  asked(text: string): Asked;
  /** What is kept of it on a disk; undefined: nothing is. */
  readonly disk?: DiskReport | undefined;
}

export interface Host {
  /** @throws MoloraError `no_gpu_adapter` where a GPU is asked for and there is none */
  openDevice(options: DeviceOptions): Promise<Device>;
  /**
   * What tells a base on a device from every other: engines for which it is equal share one. It changes when the files do.
   * Absent or undefined: the engine has its base for itself.
   *
   * @throws MoloraError as `open` for the base
   */
  identify?(model: string, options: DeviceOptions): Promise<string | undefined>;
  /** Memory that can still be had, in bytes; absent: nobody knows. */
  freeBytes?(): number;
  /** A thread that serves grammars, for constrained decoding; absent where there are none. */
  openGrammarThread?: OpenGrammarThread;
  /** Threads that merge adapters; absent: the engine's own does, a matrix at a time. */
  openMergeCrew?(): MergeCrew;
  /** Opens a file or folder by a path or URL of the host's kind. @throws MoloraError `file_not_found` */
  open(path: string): Promise<ByteSource | SourceFolder>;
  /** Where adapters and mixtures are looked for that requests name and nobody has loaded; absent: nowhere. */
  sources?: NameSources;
  /** `path` as meant by something that lies in folder `from`. */
  resolve(from: string, path: string): string;
}
