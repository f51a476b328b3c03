// The messages that are not generations: what each asks of the engine, who may ask it, and the reply.

import { MoloraError } from "../../proto/errors.ts";
import type {
  CancelMessage,
  ClientMessage,
  GenerateMessage,
  PushDataMessage,
  PushMessage,
  ServerMessage,
} from "../../proto/messages.ts";
import type { Identity } from "../caller.ts";
import type { EnginePort } from "../port.ts";
import { resolveLoadable } from "./paths.ts";

export type AdminMessage = Exclude<ClientMessage, GenerateMessage | CancelMessage | PushMessage | PushDataMessage>;

/** What a connection may do beside generating. */
export interface Permissions {
  identity: Identity;
  /** Folders that loads are confined to; without one, nothing is loaded for clients. */
  adapterRoot: string | undefined;
  mixtureRoot: string | undefined;
  /** Bytes of the files of a push. */
  maxUploadBytes: number;
}

/** @throws MoloraError `not_permitted`, or what the engine throws. */
export async function administrate(
  engine: EnginePort,
  message: AdminMessage,
  permissions: Permissions,
): Promise<ServerMessage> {
  const { id } = message;
  switch (message.type) {
    case "adapter_list":
      return { type: "adapters", id, adapters: engine.listAdapters() };
    case "mixture_list":
      return { type: "mixtures", id, mixtures: engine.listMixtures() };
    case "stats":
      return { type: "stats", id, stats: engine.stats() };
    case "adapter_load": {
      requireAdmin(permissions, message.type);
      const path = await resolveLoadable(permissions.adapterRoot, message.path ?? message.name, "adapterRoot");
      return { type: "loaded", id, adapter: await engine.loadAdapter(message.name, path) };
    }
    case "mixture_load": {
      requireAdmin(permissions, message.type);
      const path = await resolveLoadable(permissions.mixtureRoot, message.path ?? message.name, "mixtureRoot");
      return { type: "loaded", id, mixture: await engine.loadMixture(message.name, path) };
    }
    case "adapter_unload":
      requireAdmin(permissions, message.type);
      await engine.unloadAdapter(message.name);
      return { type: "unloaded", id, name: message.name };
    case "mixture_unload":
      requireAdmin(permissions, message.type);
      await engine.unloadMixture(message.name);
      return { type: "unloaded", id, name: message.name };
  }
}

/** Loads what was pushed. @throws MoloraError what the engine throws */
export async function loadPushed(
  engine: EnginePort,
  { id, name, expectedGeneration: expected, pinned }: PushMessage,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<ServerMessage> {
  const report = await engine.loadFiles(name, files, {
    ...(pinned === undefined ? {} : { pinned }),
    ...(expected === undefined ? {} : { expectedGeneration: expected === "" ? null : expected }),
  });
  return { type: "loaded", id, ...("router" in report ? { mixture: report } : { adapter: report }) };
}

export function requireAdmin({ identity }: Permissions, type: string): void {
  if (identity.admin) return;
  throw new MoloraError("not_permitted", `${type} is not open to this connection`, {
    remedy: "Connect with the server's token or a key of scope admin, or start the server with `admin`.",
  });
}
