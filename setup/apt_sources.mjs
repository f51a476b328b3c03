// Reads apt's source lists: which archive this machine takes its distribution from.
// It changes nothing.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Every enabled binary source of /etc/apt, as `{ uri, suites, components, signedBy }`. */
export function readAptSources(folder = "/etc/apt") {
  let parts = [];
  try {
    parts = readdirSync(join(folder, "sources.list.d")).map((name) => join("sources.list.d", name));
  } catch {
    // a machine with one list only
  }
  return ["sources.list", ...parts].flatMap((path) => {
    if (!/\.(list|sources)$/.test(path)) return [];
    try {
      return parseAptSources(readFileSync(join(folder, path), "utf8"), path.endsWith(".sources"));
    } catch {
      return [];
    }
  });
}

/** Parses one file: one-line style (`deb [options] uri suite component…`) or deb822 (fields in paragraphs). */
export function parseAptSources(text, deb822) {
  return deb822 ? parseDeb822(text) : parseOneLine(text);
}

function parseOneLine(text) {
  return text.split("\n").flatMap((line) => {
    const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line.trim());
    if (match === null) return [];
    const [, options = "", uri, suite, components] = match;
    const signedBy = /(?:^|\s)signed-by=(\S+)/.exec(options)?.[1] ?? null;
    return [{ uri, suites: [suite], components: words(components), signedBy }];
  });
}

function parseDeb822(text) {
  const bare = text.replace(/^#.*\n?/gm, "");
  return bare.split(/\n\s*\n/).flatMap((paragraph) => {
    const fields = new Map();
    for (const [, name, value] of paragraph.matchAll(/^([A-Za-z-]+):((?:.*)(?:\n[ \t].*)*)/gm)) {
      fields.set(name.toLowerCase(), value.trim());
    }
    const isBinary = words(fields.get("types") ?? "").includes("deb");
    if (!isBinary || fields.get("enabled")?.toLowerCase() === "no") return [];
    // A key may stand in the field itself, which no one-line source can carry
    const key = fields.get("signed-by");
    const signedBy = key === undefined || key.includes("\n") ? null : key;
    const components = words(fields.get("components") ?? "");
    return words(fields.get("uris") ?? "").map((uri) => ({
      uri,
      suites: words(fields.get("suites") ?? ""),
      components,
      signedBy,
    }));
  });
}

function words(text) {
  return text.split(/\s+/).filter((word) => word !== "");
}
