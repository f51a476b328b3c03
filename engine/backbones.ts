// Bases that are loaded: engines of one base on one device share its weights, the device's threads and compiled kernels, and the
// tokenizer (ServerlessLoRA's backbone sharing). All that an engine adds is a part of the device of its own.

import { type ModelFiles, openModelFiles } from "../files/model_files/model_files.ts";
import { pause, sliced } from "../files/slices.ts";
import { MoloraError } from "../proto/errors.ts";
import type { KeptBase } from "./api.ts";
import type { Device } from "./device/device.ts";
import { DevicePart } from "./device/part.ts";
import type { Host } from "./host.ts";
import { type ModelWeights, uploadWeights } from "./model/weights.ts";
import { type EngineOptions, settleSizes } from "./options.ts";
import { checkTemplates } from "./text/chat_template.ts";
import { checkFits } from "./text/fits_model.ts";
import { loadingTokenizer, type Tokenizer } from "./text/tokenizer.ts";

/** What engines of one base share. */
export interface Backbone {
  files: ModelFiles;
  tokenizer: Tokenizer;
  weights: ModelWeights;
  /** Bytes of the device that the weights take. */
  bytes: number;
}

/** A use of a base, until it is given back. */
export interface BackboneUse {
  backbone: Backbone;
  /** What the user of it has of the device. */
  part: DevicePart;
  /** Uses of the same base, this one among them. */
  readonly users: number;
  /**
   * The device was lost: the base is read again onto another one, once for all who use it, and the part moves there. Buffers
   * of the part are zero then. @throws MoloraError `gpu_lost` where none can be had
   */
  revive(): Promise<void>;
  /** The device was lost: whoever loads this base from now on gets another. */
  spoil(): void;
  /** Frees the part, and with the last use all of it. */
  release(): Promise<void>;
}

export type BackboneOptions = Pick<
  EngineOptions,
  "model" | "device" | "threads" | "dtype" | "onProgress" | "onPressure"
>;

/** What is there of a base before its weights are read. */
interface Opened {
  files: ModelFiles;
  tokenizer: Tokenizer;
  /** Whichever it is now. */
  device: Device;
  /** Of it, what the weights take. */
  part: DevicePart;
}

interface Entry {
  opened: Promise<Opened>;
  loaded?: Promise<Backbone>;
  /** Another device is being brought to where the lost one was. */
  reviving: Promise<void> | undefined;
  /** When that happened, by performance.now(). */
  revivals: number[];
  /** Of those who use it. */
  parts: Set<DevicePart>;
  users: number;
  /** Takes it out of the bases that others can find. */
  forget(): void;
}

/** By the function that opens devices: what it opens for one caller is not another's. */
const shared = new WeakMap<Host["openDevice"], Map<string, Entry>>();

/**
 * The base that the options name, read if nobody has it yet. `check` sees what it is before any weight is read.
 *
 * @throws MoloraError what opening the device and the files throws, and what `check` throws: that is this caller's alone
 */
export async function useBackbone(
  host: Host,
  options: BackboneOptions,
  check: (opened: Pick<Opened, "files" | "device">) => void = () => {},
): Promise<BackboneUse> {
  const entry = await enter(host, options);
  try {
    const opened = await orForget(entry, entry.opened);
    check(opened);
    entry.loaded ??= load(host, opened, options);
    const backbone = await orForget(entry, entry.loaded);
    await entry.reviving;
    return use(entry, backbone, opened, { host, options });
  } catch (error) {
    await leave(entry);
    throw error;
  }
}

function use(entry: Entry, backbone: Backbone, opened: Opened, from: RevivedFrom): BackboneUse {
  const part = new DevicePart(opened.device);
  entry.parts.add(part);
  let released: Promise<void> | undefined;
  return {
    backbone,
    part,
    get users() {
      return entry.users;
    },
    spoil: entry.forget,
    async revive() {
      if (opened.device === part.whole) {
        entry.reviving ??= revive(entry, opened, from).finally(() => {
          entry.reviving = undefined;
        });
      }
      await entry.reviving;
      await part.moveTo(opened.device);
    },
    release() {
      entry.parts.delete(part);
      released ??= part.close().finally(() => leave(entry));
      return released;
    },
  };
}

/** With one more user. */
async function enter(host: Host, options: BackboneOptions): Promise<Entry> {
  const identity = await host.identify?.(options.model, options);
  if (identity === undefined)
    return { opened: open(host, options), reviving: undefined, revivals: [], parts: new Set(), users: 1, forget() {} };
  const entries = shared.get(host.openDevice) ?? new Map<string, Entry>();
  shared.set(host.openDevice, entries);
  const key = JSON.stringify([identity, options.dtype ?? "auto"]);
  const known = entries.get(key);
  if (known !== undefined) {
    known.users++;
    return known;
  }
  const entry: Entry = {
    opened: open(host, options),
    reviving: undefined,
    revivals: [],
    parts: new Set(),
    users: 1,
    forget() {
      if (entries.get(key) === entry) entries.delete(key);
    },
  };
  entries.set(key, entry);
  return entry;
}

/** What could not be loaded is not found by who comes next. */
async function orForget<T>(entry: Entry, made: Promise<T>): Promise<T> {
  try {
    return await made;
  } catch (error) {
    entry.forget();
    throw error;
  }
}

/** The device is opened while the files are read: its kernels are compiled by other threads. */
async function open(host: Host, options: BackboneOptions): Promise<Opened> {
  const opening = host.openDevice(options);
  opening.catch(() => {}); // told below
  let read: Pick<Opened, "files" | "tokenizer">;
  try {
    read = await readFiles(host, options);
  } catch (error) {
    await (await opening).close();
    throw error;
  }
  const device = await opening;
  return { ...read, device, part: new DevicePart(device) };
}

async function readFiles(host: Host, { model }: BackboneOptions): Promise<Pick<Opened, "files" | "tokenizer">> {
  const files = await openModelFiles(await host.open(model));
  const tokenizer = await sliced(loadingTokenizer(files.tokenizerFiles));
  await pause();
  checkTemplates(tokenizer);
  await pause();
  checkFits(tokenizer, files.config.vocabSize);
  return { files, tokenizer };
}

async function load(
  host: Host,
  { files, tokenizer, part }: Opened,
  { dtype = "auto", onProgress, onPressure }: BackboneOptions,
): Promise<Backbone> {
  const missing = await makeRoom(
    host,
    [...files.tensors.tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0),
  );
  if (missing > 0) await onPressure?.(missing);
  const progress = onProgress === undefined ? {} : { onProgress };
  const weights = await uploadWeights(part, files.config, files.tensors, { dtype, ...progress });
  return { files, tokenizer, weights, bytes: part.bytes };
}

interface RevivedFrom {
  host: Host;
  options: BackboneOptions;
}

/** A device that is lost so often within so many milliseconds is not opened again. */
const MOST_REVIVALS = 3;
const REVIVAL_MS = 10 * 60_000;
/** Waits before a device is asked for again, in milliseconds: a driver that starts anew takes some seconds. */
const WAITS = [0, 250, 750, 2000];

async function revive(entry: Entry, opened: Opened, { host, options }: RevivedFrom): Promise<void> {
  const now = performance.now();
  entry.revivals = [...entry.revivals.filter((at) => now - at < REVIVAL_MS), now];
  if (entry.revivals.length > MOST_REVIVALS) {
    throw new MoloraError("gpu_lost", `the device was lost ${entry.revivals.length} times within ten minutes`, {
      remedy: "Run `molora doctor --check`; a driver, or the memory of the machine, fails.",
    });
  }
  const { part, files, device: lost } = opened;
  for (const each of entry.parts) each.lose();
  await lost.close().catch(() => {});
  const device = await reopened(host, options);
  const dtype = options.dtype ?? "auto";
  await part.moveTo(device);
  await part.refill(() => uploadWeights(part, files.config, files.tensors, { dtype }));
  opened.device = device;
}

async function reopened(host: Host, options: BackboneOptions): Promise<Device> {
  let last: unknown;
  for (const wait of WAITS) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    try {
      return await host.openDevice(options);
    } catch (error) {
      last = error;
    }
  }
  throw new MoloraError("gpu_lost", `the device was lost, and none can be opened: ${MoloraError.from(last).message}`, {
    remedy: "Start the engine again; run `molora doctor` if it happens again.",
    cause: last,
  });
}

/** One use less; the last one closes the device. */
async function leave(entry: Entry): Promise<void> {
  entry.users--;
  if (entry.users > 0) return;
  entry.forget();
  const opened = await entry.opened.catch(() => undefined);
  await entry.loaded?.catch(() => undefined); // what is still being read is let through first
  await opened?.device.close();
}

/** Those kept longest first. */
const kept = new Set<BackboneUse>();

/** Loads a base, or keeps one that is loaded, until it is released or its memory is needed. @throws MoloraError as `useBackbone` */
export async function keepBackbone(host: Host, options: BackboneOptions): Promise<KeptBase> {
  const use = await useBackbone(host, options);
  kept.add(use);
  return {
    bytes: use.backbone.bytes,
    get kept() {
      return kept.has(use);
    },
    release: () => giveUp(use),
  };
}

/** Gives up kept bases that no engine uses, until as many bytes are free. How many are missing still. */
async function makeRoom(host: Host, bytes: number): Promise<number> {
  let free = host.freeBytes?.() ?? Number.POSITIVE_INFINITY;
  for (const use of [...kept]) {
    if (free >= bytes) return 0;
    if (use.users > 1) continue;
    free += use.backbone.bytes;
    await giveUp(use);
  }
  return Math.max(0, bytes - free);
}

async function giveUp(use: BackboneUse): Promise<void> {
  if (kept.delete(use)) await use.release();
}

/** Checks an engine's sizes against the base, before its weights are read. */
export function checkSizes(options: EngineOptions) {
  return ({ files, device }: Pick<Opened, "files" | "device">): void => {
    settleSizes(options, files.config, device);
  };
}
