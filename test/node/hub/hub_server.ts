// A server that speaks a Hugging Face hub's API, with the faults a network and a busy hub have.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join, relative } from "node:path";
import type { TestContext } from "node:test";

export interface HubRepo {
  /** Files by path. Large ones (`lfs`) are known by their SHA-256, as the hub has it. */
  files: Record<string, Uint8Array>;
  /** Branches and tags. */
  revisions?: Record<string, string>;
  /** Where its files' bytes are, as a hub leads to a store. */
  store?: string;
  /** Given to who sends this token, and to nobody else. */
  token?: string;
}

export interface Fault {
  /** For requests whose path has this part; the fault is used up by `times` of them. */
  part: string;
  times: number;
  /** Answer this instead. */
  status?: number;
  headers?: Record<string, string>;
  /** Break the connection after so many bytes of the body. */
  breakAfter?: number;
  /** Send these bytes in the place of the file's. */
  content?: Uint8Array;
  /** Take no notice of the range that is asked for. */
  plain?: boolean;
}

export interface HubServer {
  url: string;
  /** "GET /path range" of every request, in order. */
  asked: string[];
  /** The tokens that came along. */
  tokens: (string | undefined)[];
  faults: Fault[];
}

export const COMMIT = "a".repeat(40);
const LFS_FROM = 4096;

/** Closed at the end of the test. */
export async function hubServer(t: TestContext, repos: Record<string, HubRepo>): Promise<HubServer> {
  const asked: string[] = [];
  const tokens: (string | undefined)[] = [];
  const faults: Fault[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.range ?? ""}`.trim());
    tokens.push(request.headers.authorization);
    const fault = faults.find(({ part, times }) => times > 0 && request.url!.includes(part));
    if (fault !== undefined) fault.times--;
    if (fault?.status !== undefined) response.writeHead(fault.status, fault.headers).end();
    else answer(repos, request, response, fault);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, tokens, faults };
}

function answer(
  repos: Record<string, HubRepo>,
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault | undefined,
): void {
  const path = decodeURIComponent(new URL(request.url!, "http://hub").pathname);
  const [name, repo] = Object.entries(repos).find(([key]) => path.includes(`/${key}/`)) ?? [];
  const allowed = repo?.token === undefined || request.headers.authorization === `Bearer ${repo.token}`;
  // The hub says 401, and no more, for what is private and for what is not there.
  if (repo === undefined || !allowed) {
    response.writeHead(401, { "content-type": "application/json", "x-error-code": "RepoNotFound" });
    response.end(JSON.stringify({ error: "Invalid username or password." }));
    return;
  }
  const commits = { main: COMMIT, ...repo.revisions };
  const info = `/api/models/${name}/revision/`;
  if (path.startsWith(info)) {
    const revision = path.slice(info.length);
    const sha = Object.entries(commits).find(([key, commit]) => key === revision || commit === revision)?.[1];
    if (sha === undefined) notFound(response, "RevisionNotFound", `Invalid rev id: ${revision}`);
    else
      json(response, { _id: "1", id: name, sha, private: false, likes: 0, downloads: 0, lastModified: "2026-01-01" });
  } else if (path.startsWith(`/api/models/${name}/tree/`)) {
    listPage(repo, request, response);
  } else {
    const [, file] = new RegExp(`^/${name}/resolve/[0-9a-f]{40}/(.*)$`).exec(path) ?? [];
    const content = file === undefined ? undefined : repo.files[file];
    if (content === undefined) notFound(response, "EntryNotFound", "Entry not found");
    else if (repo.store !== undefined) response.writeHead(302, { location: `${repo.store}${path}` }).end();
    else send(request, response, fault?.content ?? content, fault ?? {});
  }
}

/** Two files a page, so that lists come in several. */
function listPage(repo: HubRepo, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url!, `http://${request.headers.host}`);
  const from = Number(url.searchParams.get("cursor") ?? 0);
  const paths = Object.keys(repo.files).sort();
  const folders = [...new Set(paths.filter((path) => path.includes("/")).map((path) => path.replace(/\/[^/]*$/, "")))];
  const entries = [
    ...folders.map((path) => ({ type: "directory", path, size: 0, oid: "0".repeat(40) })),
    ...paths.map((path) => entry(path, repo.files[path])),
  ];
  if (from + 2 < entries.length) {
    url.searchParams.set("cursor", String(from + 2));
    response.setHeader("link", `<${url.href}>; rel="next"`);
  }
  json(response, entries.slice(from, from + 2));
}

function entry(path: string, content: Uint8Array) {
  const oid = createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
  if (content.length < LFS_FROM) return { type: "file", path, size: content.length, oid };
  const sha256 = createHash("sha256").update(content).digest("hex");
  return {
    type: "file",
    path,
    size: content.length,
    oid,
    lfs: { oid: sha256, size: content.length, pointerSize: 130 },
  };
}

function send(request: IncomingMessage, response: ServerResponse, content: Uint8Array, fault: Partial<Fault>): void {
  const { breakAfter, plain } = fault;
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(plain ? "" : (request.headers.range ?? "")) ?? [];
  const end = to ? Number(to) + 1 : content.length;
  const body = content.subarray(Number(from ?? 0), end);
  const headers: Record<string, string | number> = { "content-length": body.length };
  if (from !== undefined) headers["content-range"] = `bytes ${from}-${end - 1}/${content.length}`;
  response.writeHead(from === undefined ? 200 : 206, headers);
  if (breakAfter === undefined) response.end(body);
  else response.write(body.subarray(0, breakAfter), () => setTimeout(() => response.destroy(), 20));
}

function json(response: ServerResponse, value: unknown): void {
  response.setHeader("content-type", "application/json").end(JSON.stringify(value));
}

function notFound(response: ServerResponse, code: string, message: string): void {
  response.writeHead(404, { "content-type": "application/json", "x-error-code": code });
  response.end(JSON.stringify({ error: message }));
}

/** The files of a folder here as those of a repository. */
export function folderFiles(folder: string): HubRepo["files"] {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return Object.fromEntries(paths.map((path) => [relative(folder, path), readFileSync(path)]));
}
