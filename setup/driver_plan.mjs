// Decides what to install so that a machine without a WebGPU adapter gets a software one: Mesa's lavapipe.
// Facts go in, a plan comes out; driver.mjs runs it.

const PACKAGES = ["libvulkan1", "mesa-vulkan-drivers"];

/** The oldest releases whose own archive has Mesa 23.1, which Dawn asks for. Debian 12 reaches it by its backports. */
const OLDEST = { debian: 12, ubuntu: 22.04 };

/**
 * @param facts `platform`; `osRelease` (the fields of /etc/os-release); `aptSources` (from apt_sources.mjs);
 *   `hasApt`, `isRoot`, `hasSudo`.
 * @returns `{ possible: true, source, commands }`, where `source` is a line for a temporary source list or null and
 *   each of `commands` is an argument list; or `{ possible: false, reason, remedy }`.
 */
export function plan({ platform, osRelease, aptSources, hasApt, isRoot, hasSudo }) {
  if (platform !== "linux") {
    return refuse("molora installs drivers on Debian and Ubuntu only", "Update the GPU driver of this system.");
  }
  const name = osRelease.PRETTY_NAME ?? "this Linux";
  if (!hasApt) {
    return refuse(
      `${name} has no apt-get`,
      "Install the Vulkan loader and Mesa's Vulkan drivers (Mesa 23.1 or later).",
    );
  }
  const oldest = OLDEST[osRelease.ID];
  if (oldest !== undefined && Number(osRelease.VERSION_ID) < oldest) {
    return refuse(
      `the Mesa of ${name} is older than 23.1, which WebGPU needs`,
      `Use Debian ${OLDEST.debian} or Ubuntu ${OLDEST.ubuntu} or later, or a machine with a GPU driver.`,
    );
  }
  const needsBackports = osRelease.ID === "debian" && Number(osRelease.VERSION_ID) === 12;
  const source = needsBackports ? backportsSource(aptSources) : null;
  const target = needsBackports ? ["-t", "bookworm-backports"] : [];
  const install = ["apt-get", "install", "-y", "--no-install-recommends", ...target, ...PACKAGES];
  if (!isRoot && !hasSudo) {
    return refuse("installing packages needs root or sudo", `As root: ${manual(source, install)}`);
  }
  // sudo drops the environment, so that the setting stands behind it
  const prefix = [...(isRoot ? [] : ["sudo"]), "env", "DEBIAN_FRONTEND=noninteractive"];
  const commands = [["apt-get", "update"], install].map((command) => [...prefix, ...command]);
  return { possible: true, source, commands, manual: manual(source, install) };
}

/** The line that adds Debian 12's backports from the archive the machine uses already; null where it has them. */
function backportsSource(aptSources) {
  if (aptSources.some(({ suites }) => suites.includes("bookworm-backports"))) return null;
  const { uri, signedBy } = debianArchive(aptSources) ?? { uri: "http://deb.debian.org/debian", signedBy: null };
  return `deb ${signedBy === null ? "" : `[signed-by=${signedBy}] `}${uri} bookworm-backports main`;
}

/** Others publish a suite "bookworm" too; only Debian's own archive has the point-release updates beside it. */
function debianArchive(aptSources) {
  const offers = (suite) => aptSources.filter(({ suites }) => suites.includes(suite));
  const updates = new Set(offers("bookworm-updates").map(({ uri }) => uri));
  return offers("bookworm").find(
    ({ uri, components }) =>
      components.includes("main") && !uri.startsWith("cdrom:") && (updates.has(uri) || isDebianMirror(uri)),
  );
}

function isDebianMirror(uri) {
  return /^https?:\/\/([\w.-]+\.)?debian\.org\/debian\/?$/.test(uri);
}

/** What a person can type instead. */
function manual(source, install) {
  const add = source === null ? "" : `echo '${source}' > /etc/apt/sources.list.d/backports.list && `;
  return `${add}apt-get update && ${install.join(" ")}`;
}

function refuse(reason, remedy) {
  return { possible: false, reason, remedy };
}
