// The driver step's decisions, on machines described by their facts, and its probe on a machine without a driver.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

interface AptSource {
  uri: string;
  suites: string[];
  components: string[];
  signedBy: string | null;
}

interface Facts {
  platform: string;
  osRelease: Record<string, string>;
  aptSources: AptSource[];
  hasApt: boolean;
  isRoot: boolean;
  hasSudo: boolean;
}

interface Plan {
  possible: boolean;
  source: string | null;
  commands: string[][];
  manual: string;
  reason: string;
  remedy: string;
}

// The setup is plain JavaScript that runs before anything is built: it is reached by its address, and typed here.
const at = (name: string) => new URL(`../../../setup/${name}`, import.meta.url).href;
const { plan }: { plan: (facts: Facts) => Plan } = await import(at("driver_plan.mjs"));
const { parseAptSources }: { parseAptSources: (text: string, deb822: boolean) => AptSource[] } = await import(
  at("apt_sources.mjs")
);
const { parseOsRelease }: { parseOsRelease: (text: string) => Record<string, string> } = await import(at("driver.mjs"));

const BOOKWORM = { ID: "debian", VERSION_ID: "12", PRETTY_NAME: "Debian GNU/Linux 12 (bookworm)" };
const UBUNTU = { ID: "ubuntu", VERSION_ID: "24.04", PRETTY_NAME: "Ubuntu 24.04 LTS" };

const DEB822 = `# a comment inside
Types: deb deb-src
URIs: http://mirror.example.org/debian
Suites: bookworm bookworm-updates
Components: main contrib
# snapshot
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://security.example.org/debian-security
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://off.example.org/debian
Suites: bookworm
Components: main
`;

const THIRD_PARTY = parseAptSources(
  "deb [arch=amd64 signed-by=/k.gpg] https://php.example/debian/ bookworm main",
  false,
);

function facts(changes: Partial<Facts> = {}): Facts {
  const own = { platform: "linux", osRelease: BOOKWORM, aptSources: parseAptSources(DEB822, true) };
  return { ...own, hasApt: true, isRoot: true, hasSudo: false, ...changes };
}

test("both styles of source list are read, disabled entries are not", () => {
  assert.deepEqual(
    parseAptSources(DEB822, true).map(({ uri, suites, signedBy }) => [uri, suites.length, signedBy]),
    [
      ["http://mirror.example.org/debian", 2, "/usr/share/keyrings/debian-archive-keyring.gpg"],
      ["http://security.example.org/debian-security", 1, null],
    ],
  );
  const lines = "# deb http://x y z\ndeb-src http://s bookworm main\ndeb http://m/debian bookworm main contrib # why\n";
  assert.deepEqual(parseAptSources(lines, false), [
    { uri: "http://m/debian", suites: ["bookworm"], components: ["main", "contrib"], signedBy: null },
  ]);
  assert.equal(THIRD_PARTY[0].signedBy, "/k.gpg");
});

test("a key written into a deb822 source is not taken for a path", () => {
  const text = `Types: deb\nURIs: http://m/debian\nSuites: bookworm\nComponents: main\nSigned-By:\n -----BEGIN\n .\n -----END\n`;
  assert.equal(parseAptSources(text, true)[0].signedBy, null);
});

test("Debian 12 takes Mesa from the backports of the machine's own mirror, a third party's bookworm aside", () => {
  const { possible, source, commands } = plan(
    facts({ aptSources: [...THIRD_PARTY, ...parseAptSources(DEB822, true)] }),
  );
  assert.equal(possible, true);
  assert.equal(
    source,
    "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example.org/debian bookworm-backports main",
  );
  assert.ok(commands.every((command) => command[0] === "env"));
  assert.match(commands[1].join(" "), /apt-get install -y .*-t bookworm-backports libvulkan1 mesa-vulkan-drivers$/);
});

test("Debian 12 without a recognisable archive falls back to Debian's own", () => {
  assert.equal(
    plan(facts({ aptSources: THIRD_PARTY })).source,
    "deb http://deb.debian.org/debian bookworm-backports main",
  );
});

test("Debian 12 that has backports already gets no source more", () => {
  const aptSources = parseAptSources("deb http://m/debian bookworm-backports main", false);
  const { source, commands } = plan(facts({ aptSources }));
  assert.equal(source, null);
  assert.ok(commands[1].includes("bookworm-backports"));
});

test("newer systems install their own Mesa, through sudo where not root", () => {
  const { source, commands } = plan(facts({ osRelease: UBUNTU, isRoot: false, hasSudo: true }));
  assert.equal(source, null);
  assert.ok(commands.every((command) => command[0] === "sudo"));
  assert.ok(!commands[1].includes("-t"));
  assert.equal(plan(facts({ osRelease: { ID: "debian", VERSION_ID: "13" } })).source, null);
  // Debian testing has no version
  assert.equal(plan(facts({ osRelease: { ID: "debian" } })).possible, true);
});

test("where nothing can be installed the plan says why and what to do", () => {
  const cases: [Partial<Facts>, RegExp][] = [
    [{ isRoot: false }, /root or sudo/],
    [{ hasApt: false }, /no apt-get/],
    [{ platform: "darwin" }, /Debian and Ubuntu only/],
    [{ osRelease: { ID: "debian", VERSION_ID: "11", PRETTY_NAME: "Debian 11" } }, /Debian 11 is older than 23.1/],
    [{ osRelease: { ID: "ubuntu", VERSION_ID: "20.04" } }, /older than 23.1/],
  ];
  for (const [changes, reason] of cases) {
    const result = plan(facts(changes));
    assert.equal(result.possible, false);
    assert.match(result.reason, reason);
    assert.ok(result.remedy.length > 20);
  }
  assert.match(plan(facts({ isRoot: false })).remedy, /apt-get install .*mesa-vulkan-drivers/);
});

test("os-release is read with and without quotes", () => {
  assert.deepEqual(
    parseOsRelease('ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'),
    BOOKWORM,
  );
});

test("the probe reports a missing driver instead of failing", () => {
  const { stdout, status } = spawnSync(process.execPath, ["setup/probe.mjs"], {
    encoding: "utf8",
    env: { ...process.env, VK_ICD_FILENAMES: "/nonexistent", VK_DRIVER_FILES: "/nonexistent" },
  });
  assert.equal(status, 0);
  assert.deepEqual(JSON.parse(stdout), { found: false, reason: "no adapter" });
});
