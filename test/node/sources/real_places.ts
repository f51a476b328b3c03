// Servers that speak S3, Azure's and Google's protocols, installed from their registries into a folder of their own and started.
// They are no dependencies of the package: only the slow tests and a person who tries it need them.

import { execFile, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { AwsV4Signer } from "aws4fetch";

const HOME = join(tmpdir(), "molora-test-places");
const run = promisify(execFile);

/** Where they are installed, or why they are not. */
export async function installed(kind: "npm" | "pip"): Promise<{ bin: string } | { missing: string }> {
  const bin = kind === "npm" ? join(HOME, "npm", "node_modules", ".bin") : join(HOME, "venv", "bin");
  const program = join(bin, kind === "npm" ? "azurite-blob" : "gcp-storage-emulator");
  if (existsSync(program)) return { bin };
  try {
    if (kind === "npm") {
      mkdirSync(join(HOME, "npm"), { recursive: true });
      const options = { cwd: join(HOME, "npm"), timeout: 600_000 };
      await run("npm", ["install", "--no-save", "--no-fund", "--no-audit", "s3rver@3.7.1", "azurite@3.33.0"], options);
    } else {
      await run("python3", ["-m", "venv", join(HOME, "venv")], { timeout: 120_000 });
      await run(join(bin, "pip"), ["install", "--quiet", "gcp-storage-emulator"], { timeout: 600_000 });
    }
    return { bin };
  } catch (error) {
    return { missing: String((error as Error).message).split("\n")[0] };
  }
}

/** A port nobody has. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts a program and waits until its port answers; it ends with the test. */
async function started(t: TestContext, program: string, args: (port: number) => string[]): Promise<string> {
  const port = await freePort();
  const child = spawn(program, args(port), { stdio: "ignore", detached: true });
  t.after(() => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
  });
  const url = `http://127.0.0.1:${port}`;
  for (let i = 0; i < 300; i++) {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`);
    if (
      await fetch(url).then(
        () => true,
        () => false,
      )
    )
      return url;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${program} did not start`);
}

/** Files to put, by key. */
export type Content = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** Folders of a directory as keys below `prefix`. */
export function contentOf(directory: string, prefix: string): Content {
  const content = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const file of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const path = join(file.parentPath ?? file.path, file.name);
    const key = [prefix, path.slice(directory.length + 1)].filter(Boolean).join("/");
    content.set(key, new Uint8Array(readFileSync(path)));
  }
  return content;
}

export const S3_KEYS = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" };

/** s3rver with a bucket; requests to it must name its key. */
export async function s3Server(t: TestContext, bin: string, bucket: string, content: Content): Promise<string> {
  const data = join(HOME, `s3-${process.pid}-${Date.now()}`);
  mkdirSync(data, { recursive: true });
  const url = await started(t, join(bin, "s3rver"), (port) => [
    ...["--directory", data, "--address", "127.0.0.1", "--port", String(port), "--configure-bucket", bucket],
  ]);
  for (const [key, body] of content) await s3Put(url, bucket, key, body);
  return url;
}

export async function s3Put(url: string, bucket: string, key: string, body: Uint8Array<ArrayBuffer>): Promise<void> {
  const where = `${url}/${bucket}/${key}`;
  const signer = new AwsV4Signer({ ...S3_KEYS, method: "PUT", url: where, body, service: "s3", region: "us-east-1" });
  const signed = await signer.sign();
  await accepted(fetch(signed.url, { method: "PUT", headers: signed.headers, body }));
}

/** The account and key that Azurite has for everybody (its README). */
const AZURITE = {
  account: "devstoreaccount1",
  key: "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
};

/** An account's shared access signature (https://learn.microsoft.com/rest/api/storageservices/create-account-sas). */
export function azuriteSas(permissions: string): string {
  const [version, services, types] = ["2021-12-02", "b", "sco"];
  const expiry = "2099-01-01T00:00:00Z";
  const text = `${[AZURITE.account, permissions, services, types, "", expiry, "", "https,http", version, ""].join("\n")}\n`;
  const sig = createHmac("sha256", Buffer.from(AZURITE.key, "base64")).update(text).digest("base64");
  const fields = { sv: version, ss: services, srt: types, sp: permissions, se: expiry, spr: "https,http", sig };
  return new URLSearchParams(fields).toString();
}

/** Azurite with a container; its endpoint. */
export async function azureServer(t: TestContext, bin: string, container: string, content: Content): Promise<string> {
  const url = await started(t, join(bin, "azurite-blob"), (port) => [
    ...["--inMemoryPersistence", "--silent", "--skipApiVersionCheck"],
    ...["--blobHost", "127.0.0.1", "--blobPort", String(port)],
  ]);
  const endpoint = `${url}/${AZURITE.account}`;
  const sas = azuriteSas("rwlc");
  const headers = { "x-ms-version": "2021-12-02" };
  await accepted(fetch(`${endpoint}/${container}?restype=container&${sas}`, { method: "PUT", headers }));
  for (const [key, body] of content) {
    const blob = { ...headers, "x-ms-blob-type": "BlockBlob" };
    await accepted(fetch(`${endpoint}/${container}/${key}?${sas}`, { method: "PUT", headers: blob, body }));
  }
  return endpoint;
}

/** gcp-storage-emulator with a bucket. */
export async function gcsServer(t: TestContext, bin: string, bucket: string, content: Content): Promise<string> {
  const url = await started(t, join(bin, "gcp-storage-emulator"), (port) => [
    ...["start", "--host", "127.0.0.1", "--port", String(port), "--in-memory", "--default-bucket", bucket],
  ]);
  for (const [key, body] of content) {
    const where = `${url}/upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(key)}`;
    const headers = { "content-type": "application/octet-stream" };
    await accepted(fetch(where, { method: "POST", headers, body }));
  }
  return url;
}

async function accepted(answer: Promise<Response>): Promise<void> {
  const response = await answer;
  if (!response.ok) throw new Error(`${response.url.split("?")[0]}: ${response.status} ${await response.text()}`);
}
