// What the engine is given from above: devices and files. Node and browsers each provide them.

import type { ByteSource, SourceFolder } from "../files/source.ts";
import type { Device } from "./device/device.ts";
import type { DeviceOptions } from "./engine_options.ts";
import type { OpenGrammarThread } from "./sampling/threads/orders.ts";

export type { DeviceChoice, DeviceOptions } from "./engine_options.ts";

export interface Host {
  /** @throws MoloraError `no_gpu_adapter` where a GPU is asked for and there is none */
  openDevice(options: DeviceOptions): Promise<Device>;
  /** A thread that serves grammars, for constrained decoding; absent where there are none. */
  openGrammarThread?: OpenGrammarThread;
  /** Opens a file or folder by a path or URL of the host's kind. @throws MoloraError `file_not_found` */
  open(path: string): Promise<ByteSource | SourceFolder>;
  /** `path` as meant by something that lies in folder `from`. */
  resolve(from: string, path: string): string;
}
