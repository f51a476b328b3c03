// How many files and sockets this process may have open, against how many sockets a server is told to serve.

import { readFile } from "node:fs/promises";
import { MoloraError } from "../proto/errors.ts";

/** Files the engine has open beside sockets: the device, the model while it is read, pipes, the cache. */
const OWN = 64;

/** Undefined where the system does not tell, or there is no limit. Node has raised it as far as it goes. */
export async function mostOpenFiles(): Promise<number | undefined> {
  const limits = await readFile("/proc/self/limits", "utf8").catch(() => "");
  const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
  return Number.isInteger(soft) ? soft : undefined;
}

/**
 * The sockets to serve where the process may have `openFiles` files open. `given`: what was asked for, undefined: nothing.
 * @throws MoloraError `bad_arguments` where more was asked for than can be, or not one socket can be.
 */
export function fitSockets(
  openFiles: number | undefined,
  given: number | undefined,
  fallback: number,
): { maxSockets: number; warning?: string } {
  const wanted = given ?? fallback;
  const most = openFiles === undefined ? wanted : openFiles - OWN;
  if (wanted <= most) return { maxSockets: wanted };
  const remedy = `Raise the limit with \`ulimit -n ${wanted + OWN}\` (LimitNOFILE of a systemd unit, --ulimit nofile of docker).`;
  const reason = `this process may have ${openFiles} files open, and ${wanted} sockets need ${wanted + OWN}`;
  if (given !== undefined || most < 1) throw new MoloraError("bad_arguments", reason, { remedy });
  return { maxSockets: most, warning: `${reason}: ${most} are served at once. ${remedy}` };
}
