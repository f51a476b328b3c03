// The dashboard: every metric and label that it names is one that a server exports, and its panels do not overlap.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { closeEngine, post, serveNano } from "../server/http/http_server.ts";

after(closeEngine);

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string; legendFormat: string }[];
}
interface Dashboard {
  panels: Panel[];
  templating: { list: { name: string; definition?: string }[] };
}

const dashboard: Dashboard = JSON.parse(await readFile("deploy/grafana/molora.json", "utf8"));
const METRIC = /\b(?:molora_|vllm:)[a-z0-9_:]+/g;
/** Given by who scrapes. */
const SCRAPED = ["job", "instance"];

/** The labels of each metric that a server exports. */
async function exported(baseUrl: string): Promise<Map<string, Set<string>>> {
  const text = await (await fetch(baseUrl.replace("/v1", "/metrics"))).text();
  const found = new Map<string, Set<string>>();
  for (const [, name, labels = ""] of text.matchAll(/^([a-z0-9_:]+)(?:\{(.*)\})? /gm)) {
    const known = found.get(name) ?? new Set(SCRAPED);
    found.set(name, known);
    for (const [, label] of labels.matchAll(/(\w+)="/g)) known.add(label);
  }
  return found;
}

test("every metric and label that it asks for is exported", async (t) => {
  const { baseUrl } = await serveNano(t);
  for (const model of ["nano", "nano:default"]) {
    await post(`${baseUrl}/completions`, { model, prompt: "Go", max_tokens: 3 });
  }
  let metrics = await exported(baseUrl);
  // How two adapters agree is worked out beside the first tokens that they share.
  for (let tries = 0; tries < 60 && !metrics.has("molora_sign_agreement"); tries++) {
    await post(`${baseUrl}/completions`, { model: "nano:default", prompt: "Go", max_tokens: 8 });
    metrics = await exported(baseUrl);
  }
  const queries = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const variables = dashboard.templating.list.flatMap(({ definition }) => definition ?? []);
  assert.ok(queries.length > 20);
  for (const query of [...queries, ...variables]) {
    const names = query.match(METRIC) ?? [];
    assert.ok(names.length > 0, query);
    for (const name of names) assert.ok(metrics.has(name), `${name} is not exported`);
    const [, by = ""] = /by \(([^)]*)\)/.exec(query) ?? [];
    const labels = [...by.split(", ").filter(Boolean), ...[...query.matchAll(/(\w+)=~/g)].map(([, label]) => label)];
    for (const label of labels) {
      for (const name of names) assert.ok(metrics.get(name)?.has(label), `${name} has no label ${label}: ${query}`);
    }
  }
  // A legend shows labels that its query keeps.
  for (const { title, targets = [] } of dashboard.panels) {
    for (const { expr, legendFormat } of targets) {
      for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
        assert.ok(!expr.includes("(") || new RegExp(`by \\([^)]*\\b${label}\\b`).test(expr), `${title}: ${label}`);
      }
    }
  }
});

test("ids differ, and no panel lies on another or outside", () => {
  const { panels } = dashboard;
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Map<string, string>();
  for (const { title, gridPos } of panels) {
    assert.ok(gridPos.x + gridPos.w <= 24, title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.equal(taken.get(`${x},${y}`), undefined, `${title} lies on another`);
        taken.set(`${x},${y}`, title);
      }
    }
  }
});
