// Addresses of sources: what is read of them, what lies below what, and where a relative path leads.

import assert from "node:assert/strict";
import { test } from "node:test";
import { liesBelow, locatorText, readLocator, resolveLocator } from "../../../node/sources/locator.ts";
import { raises } from "../../raises.ts";

test("every scheme is read, and written back in one form", () => {
  const same = ["s3://bucket/a/b", "gs://bucket", "az://account/container/x", "hf:owner", "hf:owner/repo:sub"];
  for (const text of same) assert.equal(locatorText(readLocator(text)), text);
  assert.equal(locatorText(readLocator("S3://bucket//a///b/")), "s3://bucket/a/b");
  assert.equal(locatorText(readLocator("hf:owner/repo@main:x")), "hf:owner/repo:x");
  assert.equal(locatorText(readLocator("https://host/a/")), "https://host/a");
  assert.deepEqual(readLocator("/srv/adapters"), { scheme: "folder", path: "/srv/adapters" });
});

test("what is no address, or carries a secret, is refused", async () => {
  const wrong = ["ftp://host/x", "s3:bucket", "s3://", "az://account", "hf:", "s3://bucket/../other", "http://host/x"];
  for (const text of wrong)
    await raises("bad_arguments", /is no source|names nothing on a hub/, () => readLocator(text));
  for (const text of ["https://me:secret@host/x", "https://host/x?sig=secret"]) {
    await raises("bad_arguments", /^"https:\/\/host\/x" is no source$/, () => readLocator(text));
  }
  assert.equal(locatorText(readLocator("http://127.0.0.1:9000/x")), "http://127.0.0.1:9000/x");
});

test("a prefix allows what lies below it by whole segments", () => {
  assert.ok(liesBelow("s3://bucket/a", "s3://bucket/a/b"));
  assert.ok(liesBelow("s3://bucket/a/", "s3://bucket/a"));
  for (const out of ["s3://bucket/ab", "s3://bucket", "gs://bucket/a/b"])
    assert.ok(!liesBelow("s3://bucket/a", out), out);
  assert.ok(!liesBelow("https://host/a", "https://host/a/../b"));
  assert.ok(!liesBelow("hf:owner", "hf:owners/x"));
  assert.ok(liesBelow("hf:owner", "hf:owner/repo:x") && liesBelow("hf:owner/repo", "hf:owner/repo:x"));
});

test("paths of mixtures' experts are relative to the mixture", async () => {
  assert.equal(resolveLocator("s3://bucket/mixtures/all", "../../math"), "s3://bucket/math");
  assert.equal(resolveLocator("https://host/m/all", "../math"), "https://host/m/math");
  assert.equal(resolveLocator("hf:owner/repo:mix", "../math"), "hf:owner/repo:math");
  assert.equal(resolveLocator("/srv/m", "../math"), "/srv/math");
  await raises("bad_arguments", /etc\/passwd/, () => resolveLocator("s3://bucket/m", "/etc/passwd"));
});
