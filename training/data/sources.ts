// Rows of data by their domain, from which texts are composed.

import type { DomainMessage, Row } from "./rows.ts";

/** A conversation or a text of one domain. */
export interface Item {
  where: string;
  domain: string;
  content: { kind: "chat"; messages: DomainMessage[] } | { kind: "text"; text: string };
}

export interface Sources {
  /** Items by domain, in the order of the data. */
  byDomain: Map<string, Item[]>;
  /** Rows that hold several domains, or none; they are used as they are. */
  whole: Row[];
}

/** Adds a row under its domain. */
export function sortRow(sources: Sources, row: Row): void {
  const names = domainsOf(row);
  const content = contentOf(row);
  const [only] = names;
  if (names.size !== 1 || only === undefined || content === undefined) {
    sources.whole.push(row);
    return;
  }
  const items = sources.byDomain.get(only) ?? [];
  sources.byDomain.set(only, items);
  items.push({ where: row.where, domain: only, content });
}

/** The domains of a row's messages or segments; undefined stands for those without one. */
export function domainsOf(row: Row): Set<string | undefined> {
  if (row.kind === "text") return new Set([row.domain]);
  if (row.kind === "segments") return new Set(row.segments.map(({ domain }) => domain ?? row.domain));
  // A turn without a domain has that of its question or answer (training/data/render.ts)
  const named = row.messages.map(({ domain }) => domain).filter((domain) => domain !== undefined);
  return new Set(named.length > 0 ? named : [row.domain]);
}

function contentOf(row: Row): Item["content"] | undefined {
  if (row.kind === "text") return { kind: "text", text: row.text };
  return row.kind === "chat" ? { kind: "chat", messages: row.messages } : undefined;
}
