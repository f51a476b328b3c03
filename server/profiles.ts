// The engines behind one port, each under the name of its base as a model: which of them a request means.

import type { IncomingMessage } from "node:http";
import { MoloraError } from "../proto/errors.ts";
import type { Caller } from "./caller.ts";
import type { HttpEngine } from "./port.ts";

export interface Profile {
  /** Its base's name as a model; `base:name` and `base|address` are of it too. */
  base: string;
  /** All of it; undefined while it is not open. */
  readonly engine: HttpEngine | undefined;
  /** As a caller may see it, while it is open. */
  engineFor(caller: Caller): HttpEngine;
  /** Whether a caller's key is for it. */
  isFor(caller: Caller): boolean;
  /** Opens it where it is not, and keeps it open until what it returns is called. @throws MoloraError what opening throws */
  hold(): Promise<() => void>;
  /** Why no request is taken, if so. */
  readonly closed: MoloraError | undefined;
}

/** What of a request may say which profile it means. */
export interface Addressed {
  url: string;
  body: unknown;
}

export class Profiles<P extends Profile = Profile> {
  readonly all: readonly P[];
  readonly first: P;

  /** At least one; names without `:` and `|`, unless there is only one. @throws MoloraError `bad_arguments` */
  constructor(all: readonly P[]) {
    this.all = all;
    this.first = all[0];
    const wrong = all.length > 1 ? all.find(({ base }) => !/^[^:|/?\s]+$/.test(base)) : undefined;
    if (wrong === undefined) return;
    throw new MoloraError("bad_arguments", `${JSON.stringify(wrong.base)} cannot be the name of a profile`, {
      remedy: "Names of profiles are model ids: give one without spaces, colons, slashes and bars.",
    });
  }

  /** @throws MoloraError `unknown_model` */
  named(name: string): P {
    const found = this.all.find(({ base }) => base === name);
    if (found === undefined) throw this.#unknown(name);
    return found;
  }

  /** That of a model's id. With one profile it is that one, which says itself what it does not know. @throws MoloraError `unknown_model` */
  ofModel(model: string): P {
    if (this.all.length === 1) return this.first;
    const base = /^[^:|]*/.exec(model)![0];
    const found = this.all.find((each) => each.base === base);
    if (found === undefined) throw this.#unknown(model);
    return found;
  }

  /** By `?profile=NAME`, by what its body names (`model`, vLLM's `base_model_name`), else the first. @throws MoloraError `unknown_model` */
  of({ url, body }: Addressed): P {
    const asked = profileIn(url);
    if (asked !== undefined) return this.named(asked);
    if (typeof body !== "object" || body === null || this.all.length === 1) return this.first;
    const { model, base_model_name: name } = body as Record<string, unknown>;
    if (typeof model === "string") return this.ofModel(model);
    return typeof name === "string" ? this.named(name) : this.first;
  }

  /** Why a connection's profile is none of these, if so. */
  refusal({ url = "/" }: IncomingMessage): MoloraError | undefined {
    const asked = profileIn(url);
    return asked === undefined || this.all.some(({ base }) => base === asked) ? undefined : this.#unknown(asked);
  }

  #unknown(name: string): MoloraError {
    const known = this.all.map(({ base }) => base);
    return new MoloraError("unknown_model", `no profile of this server has the model ${shown(name)}`, {
      remedy: `The profiles are: ${known.join(", ")}; their models are PROFILE and PROFILE:NAME.`,
      details: { field: "model", known },
    });
  }
}

/** The profile that a URL's query names. */
export function profileIn(url: string): string | undefined {
  return new URLSearchParams(url.split("?")[1] ?? "").get("profile") ?? undefined;
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 256));
}
