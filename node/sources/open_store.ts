// The store behind an address, with the credentials that its place gets and no other.

import { MoloraError } from "../../proto/errors.ts";
import { AzureStore } from "./azure_store.ts";
import { awsKeys, azureSas, gcsKeys, gcsToken, hubToken } from "./credentials.ts";
import { GcsStore } from "./gcs_store.ts";
import type { HttpReader } from "./http_reader.ts";
import { HubStore } from "./hub_store.ts";
import type { RemoteLocator } from "./locator.ts";
import { S3Store, s3BucketUrl } from "./s3_store.ts";
import type { Store } from "./store.ts";
import { WebStore } from "./web_store.ts";

const S3_REMEDY =
  "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, of somebody who may list and read the bucket.";
const GOOGLE = "https://storage.googleapis.com";

/** Reads secrets now, so that a rotated key is taken at the next opening. */
export async function openStore(
  locator: RemoteLocator,
  reader: HttpReader,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Store> {
  switch (locator.scheme) {
    case "s3": {
      const { bucket, path: prefix } = locator;
      const region = env.AWS_REGION || env.AWS_DEFAULT_REGION || "us-east-1";
      const bucketUrl = s3BucketUrl(bucket, region, env);
      return new S3Store(reader, { bucketUrl, prefix, region, keys: await awsKeys(env), remedy: S3_REMEDY });
    }
    case "gs": {
      const { bucket, path: prefix } = locator;
      const keys = gcsKeys(env);
      const emulator = env.STORAGE_EMULATOR_HOST;
      const endpoint = emulator ? withScheme(emulator) : GOOGLE;
      // Google's bucket speaks S3 to those who have HMAC keys (https://cloud.google.com/storage/docs/interoperability).
      const place = { bucketUrl: `${endpoint}/${bucket}`, prefix, region: "auto", remedy: "Check the HMAC keys." };
      if (keys !== undefined) return new S3Store(reader, { ...place, keys });
      return new GcsStore(reader, { endpoint, bucket, prefix, token: gcsToken(env) });
    }
    case "az": {
      const { account, container, path: prefix } = locator;
      const endpoint = env.AZURE_STORAGE_BLOB_ENDPOINT || `https://${account}.blob.core.windows.net`;
      return new AzureStore(reader, { endpoint, container, prefix, sas: await azureSas(env) });
    }
    case "hf": {
      const endpoint = (env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
      const { owner, repo, revision, path } = locator;
      if (repo === undefined) {
        throw new MoloraError("bad_arguments", `hf:${owner} is no repository`, { remedy: "Write hf:OWNER/REPO." });
      }
      return new HubStore(reader, { endpoint, repo: `${owner}/${repo}`, revision, path, token: await hubToken(env) });
    }
    case "https":
      return new WebStore(reader, locator.url);
  }
}

function withScheme(host: string): string {
  return (/^https?:\/\//.test(host) ? host : `http://${host}`).replace(/\/+$/, "");
}
