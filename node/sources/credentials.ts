// Secrets for sources, from the environment or from the files where the tools of each place keep them.
// Read when a source is opened, held by it alone, and never shown.

import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

export interface KeyPair {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

type Env = NodeJS.ProcessEnv;

/** AWS_ACCESS_KEY_ID and its kind, else the profile AWS_PROFILE of the shared credentials file; undefined: anonymous. */
export async function awsKeys(env: Env = process.env): Promise<KeyPair | undefined> {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token } = env;
  if (id && secret) return keyPair(id, secret, token);
  const path = env.AWS_SHARED_CREDENTIALS_FILE || join(homedir(), ".aws", "credentials");
  const profile = profileOf(await textOf(path), env.AWS_PROFILE || "default");
  return keyPair(profile.aws_access_key_id, profile.aws_secret_access_key, profile.aws_session_token);
}

/** HMAC keys of Google Cloud Storage. */
export function gcsKeys(env: Env = process.env): KeyPair | undefined {
  return keyPair(env.GS_ACCESS_KEY_ID, env.GS_SECRET_ACCESS_KEY, undefined);
}

/** An OAuth token, as `gcloud auth print-access-token` prints it. */
export function gcsToken(env: Env = process.env): string | undefined {
  return env.GOOGLE_OAUTH_ACCESS_TOKEN || undefined;
}

/** A shared access signature, "sv=…&sig=…", from the variable or from the file that another one names. */
export async function azureSas(env: Env = process.env): Promise<string | undefined> {
  const file = env.AZURE_STORAGE_SAS_TOKEN_FILE;
  const text = env.AZURE_STORAGE_SAS_TOKEN || (file && (await textOf(file))) || "";
  return text.trim().replace(/^\?/, "") || undefined;
}

/** HF_TOKEN, else the file that `hf auth login` writes. */
export async function hubToken(env: Env = process.env): Promise<string | undefined> {
  if (env.HF_TOKEN) return env.HF_TOKEN;
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface");
  return (await textOf(env.HF_TOKEN_PATH || join(home, "token"))).trim() || undefined;
}

function keyPair(id?: string, secret?: string, token?: string): KeyPair | undefined {
  if (!id || !secret) return undefined;
  return { accessKeyId: id, secretAccessKey: secret, ...(token ? { sessionToken: token } : {}) };
}

/** "" where there is no such file. */
async function textOf(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}

/** One section of an ini file. */
function profileOf(text: string, name: string): Record<string, string> {
  const values: Record<string, string> = {};
  let section = "";
  for (const line of text.split(/\r?\n/)) {
    section = /^\s*\[\s*([^\]]+?)\s*\]/.exec(line)?.[1] ?? section;
    const [, key, value] = /^\s*([\w.-]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && section === name) values[key.toLowerCase()] = value;
  }
  return values;
}
