// Names an object has already, so that none comes twice; as a tree of their bytes for each group of names.

export interface SeenNode {
  next: Map<number, SeenNode>;
  /** Names that end here or below. */
  below: number;
  ends: boolean;
}

export class Seen {
  readonly id: number;
  readonly #groups: ReadonlyMap<number, { root: SeenNode; names: number }>;

  private constructor(id: number, groups: ReadonlyMap<number, { root: SeenNode; names: number }>) {
    this.id = id;
    this.#groups = groups;
  }

  static none(): Seen {
    return new Seen(0, new Map());
  }

  root(group: number): SeenNode | undefined {
    return this.#groups.get(group)?.root;
  }

  /** Names of a group. */
  count(group: number): number {
    return this.#groups.get(group)?.names ?? 0;
  }

  /** One name more, as it is spelt between its quotes. */
  with(group: number, name: Uint8Array, id: number): Seen {
    const known = this.#groups.get(group);
    const root = added(known?.root, name);
    return new Seen(id, new Map(this.#groups).set(group, { root, names: (known?.names ?? 0) + 1 }));
  }
}

/** A new tree that shares what the name does not touch. */
function added(node: SeenNode | undefined, name: Uint8Array): SeenNode {
  const root = copy(node);
  let at = root;
  for (const byte of name) {
    const below = copy(at.next.get(byte));
    at.next.set(byte, below);
    at = below;
  }
  at.ends = true;
  return root;
}

function copy(node: SeenNode | undefined): SeenNode {
  return { next: new Map(node?.next), below: (node?.below ?? 0) + 1, ends: node?.ends ?? false };
}
