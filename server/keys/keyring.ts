// The keys that a server takes, by their secrets, kept in step with their file while it runs.

import type { Routing } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { watchFiles } from "../watched_files.ts";
import { Allowance } from "./allowance.ts";
import { readKeys } from "./key_file.ts";
import { hashOf, type KeyRecord } from "./key_record.ts";
import { Scopes } from "./scopes.ts";

/** A key in use. A change of its file changes it in place, so that open connections feel it too. */
export class Key {
  readonly allowance: Allowance;
  #record: KeyRecord;
  #scopes: Scopes;

  constructor(record: KeyRecord) {
    this.#record = record;
    this.#scopes = new Scopes(record.scopes);
    this.allowance = new Allowance(record);
  }

  get id(): string {
    return this.#record.id;
  }

  get name(): string {
    return this.#record.name;
  }

  get admin(): boolean {
    return this.#scopes.admin && this.#problem === undefined;
  }

  update(record: KeyRecord): void {
    this.#record = record;
    this.#scopes = new Scopes(record.scopes);
    this.allowance.limits = record;
  }

  get #problem(): string | undefined {
    const { revoked, expires } = this.#record;
    if (revoked !== undefined) return "was revoked";
    return expires !== undefined && Date.parse(expires) <= Date.now() ? "has expired" : undefined;
  }

  /** @throws MoloraError `unauthorized` for one that was revoked or has expired. */
  checkValid(): void {
    if (this.#problem === undefined) return;
    throw new MoloraError("unauthorized", `the API key ${this.id} ${this.#problem}`, {
      remedy: "Ask the server's operator for another.",
      details: { key: this.id },
    });
  }

  /** "adapter:sql". */
  has(what: string): boolean {
    return this.#scopes.has(what);
  }

  /** Of several profiles. */
  mayUse(profile: string | undefined): boolean {
    return profile === undefined || this.#scopes.hasProfile(profile);
  }

  /** @throws MoloraError `not_permitted` for a profile that is not among those it is for. */
  checkProfile(profile: string | undefined): void {
    if (!this.mayUse(profile)) throw this.#lacks(`profile:${profile}`);
  }

  /** @throws MoloraError `not_permitted` for what its scopes leave out. */
  checkRouting(routing: Routing): void {
    const missing = this.#scopes.missing(routing);
    if (missing !== undefined) throw this.#lacks(missing);
  }

  #lacks(scope: string): MoloraError {
    return new MoloraError("not_permitted", `the API key ${this.id} has no scope for ${scope}`, {
      remedy: "Ask for a model of the list that the server gives for this key, or for a key with that scope.",
      details: { key: this.id, scope },
    });
  }
}

export class Keyring {
  readonly #byHash = new Map<string, Key>();
  readonly #byId = new Map<string, Key>();
  readonly #path: string | undefined;
  #stop = () => {};

  constructor(path?: string) {
    this.#path = path;
  }

  /** @throws MoloraError as `readKeys`. */
  static async open(path: string): Promise<Keyring> {
    const ring = new Keyring(path);
    ring.set(await readKeys(path));
    return ring;
  }

  /** Follows its file's changes until closed. `onChange` is told of each, or why one was not taken over. */
  follow(onChange: (error?: MoloraError) => void): void {
    const path = this.#path;
    if (path === undefined) return;
    this.#stop = watchFiles([path], async () => {
      try {
        this.set(await readKeys(path));
        onChange();
      } catch (thrown) {
        onChange(MoloraError.from(thrown));
      }
    });
  }

  get size(): number {
    return this.#byId.size;
  }

  /** These keys and no others; those that were there keep what they have used. */
  set(records: readonly KeyRecord[]): void {
    const left = new Map(this.#byId);
    this.#byHash.clear();
    for (const record of records) {
      left.delete(record.id);
      const known = this.#byId.get(record.id);
      known?.update(record);
      const key = known ?? new Key(record);
      this.#byId.set(record.id, key);
      this.#byHash.set(record.hash, key);
    }
    for (const [id, key] of left) {
      // Connections may still hold it.
      key.update({ id, name: key.name, hash: "", scopes: [], created: "", revoked: new Date().toISOString() });
      this.#byId.delete(id);
    }
  }

  /** The valid key of a secret. The map's keys are hashes, so that the time it takes says nothing of secrets. */
  find(secret: string): Key | undefined {
    return this.#byHash.get(hashOf(secret));
  }

  close(): void {
    this.#stop();
  }
}
