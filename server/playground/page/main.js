// The page: its lanes, the composer that asks them, and the header's buttons.
// It knows nothing of how a reply is drawn (reply.js) nor of frames (connection.js).

import { Announcer } from "./announcer.js";
import { Connection, EngineError } from "./connection.js";
import { Details } from "./details.js";
import { find, stamp } from "./dom.js";
import { Experts } from "./experts.js";
import { Lane } from "./lane.js";

const status = find(document, "#status", HTMLElement);
const compare = find(document, "#compare", HTMLButtonElement);
const composer = find(document, "#composer", HTMLFormElement);
const prompt = find(document, "#prompt", HTMLTextAreaElement);
const send = find(document, "#send", HTMLButtonElement);
const stop = find(document, "#stop", HTMLButtonElement);
const turns = find(document, "#turns", HTMLElement);
const unlock = find(document, "#unlock", HTMLFormElement);
const key = find(document, "#key", HTMLInputElement);
const keyRefused = find(document, "#key-refused", HTMLElement);
const welcome = find(document, "#welcome", HTMLElement);

const announcer = new Announcer(find(document, "#announcer", HTMLElement));
const experts = new Experts(find(document, "#legend", HTMLElement));
const details = new Details(experts);
const connection = new Connection((state) => {
  unlock.hidden = state !== "locked";
  if (state === "locked") askForKey();
  if (state === "open") void learn();
  else report("closed", state === "locked" ? "Locked" : "No connection to the engine; trying again");
});

const lanes = ["A", "B"].map((name) => new Lane(name, { connection, announcer, details, experts }));
const [a, b] = lanes;
find(document, "#settings", HTMLElement).append(...lanes.map(({ settings }) => settings.element));
// A phone shows the conversation first
for (const { settings } of lanes) settings.element.open = matchMedia("(min-width: 56rem)").matches;

/** The embedded default under its name; who reads its answers should know. */
const NANO = "nano: shows the routing, too small to make sense";

/** @type {AbortController | undefined} The turn that runs. */
let running;

/** For the first key, or for a better one than was given. */
function askForKey() {
  const refused = key.value !== "";
  keyRefused.textContent = refused ? "The server refused this key." : "";
  key.ariaInvalid = String(refused);
  key.select();
}

/** What the engine serves, into the pickers and the legend. */
async function learn() {
  try {
    const catalogue = await connection.catalogue();
    experts.meet(catalogue.adapters.map(({ name }) => name));
    experts.meet(catalogue.mixtures.flatMap((mixture) => mixture.experts));
    for (const { settings } of lanes) settings.offer(catalogue);
    // A path: its last part is the model's name
    const model = catalogue.model.split(/[\\/]/).at(-1) ?? catalogue.model;
    report("open", model === "nano" ? NANO : model);
  } catch (thrown) {
    if (!(thrown instanceof EngineError)) throw thrown;
    report("closed", thrown.message);
  }
}

/**
 * @param {"open" | "closed"} state
 * @param {string} text
 */
function report(state, text) {
  status.dataset.state = state;
  status.textContent = text;
}

function comparing() {
  return compare.ariaPressed === "true";
}

/** @param {boolean} on */
function setComparing(on) {
  compare.ariaPressed = String(on);
  document.body.toggleAttribute("data-comparing", on);
  b.settings.element.hidden = !on;
  if (on) b.branchFrom(a);
}

async function ask() {
  const text = prompt.value.trim();
  if (running !== undefined || text === "") return;
  const asked = comparing() ? lanes : [a];
  const chosen = asked.map(({ settings }) => settings.read());
  if (chosen.some((one) => one === undefined)) return;

  const turn = stamp("turn-template", HTMLElement);
  find(turn, "h3", HTMLElement).textContent = `Turn ${turns.childElementCount + 1}`;
  find(turn, ".asked", HTMLElement).textContent = text;
  const place = find(turn, ".replies", HTMLElement);
  turns.append(turn);
  welcome.hidden = true;
  prompt.value = "";
  scrollTo({ top: document.documentElement.scrollHeight });

  const abort = new AbortController();
  setRunning(abort);
  const replies = asked.flatMap((lane, i) => {
    const one = chosen[i];
    return one === undefined ? [] : [lane.ask(text, one, { place, onGrow: followEnd, signal: abort.signal })];
  });
  await Promise.all(replies);
  if (running === abort) setRunning(undefined);
}

/** @param {AbortController | undefined} turn */
function setRunning(turn) {
  const focused = document.activeElement === send || document.activeElement === stop;
  running = turn;
  send.hidden = turn !== undefined;
  stop.hidden = turn === undefined;
  compare.disabled = turn !== undefined;
  if (focused) (turn === undefined ? prompt : stop).focus();
}

/** Keeps the end in sight of a reader who is at the end. */
function followEnd() {
  const { scrollHeight } = document.documentElement;
  if (scrollY + innerHeight > scrollHeight - 160) scrollTo({ top: scrollHeight });
}

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  void ask();
});
prompt.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});
unlock.addEventListener("submit", (event) => {
  event.preventDefault();
  // Emptied, so that a second refusal is news to a screen reader
  keyRefused.textContent = "";
  connection.unlock(key.value);
});
stop.addEventListener("click", () => running?.abort());
compare.addEventListener("click", () => setComparing(!comparing()));
find(document, "#new-chat", HTMLButtonElement).addEventListener("click", () => {
  running?.abort();
  setRunning(undefined);
  details.close();
  for (const lane of lanes) lane.forget();
  turns.replaceChildren();
  welcome.hidden = false;
  prompt.focus();
});
welcome.addEventListener("click", ({ target }) => {
  if (!(target instanceof HTMLButtonElement)) return;
  prompt.value = target.textContent ?? "";
  composer.requestSubmit();
});
document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape") return;
  if (details.isOpen) details.close();
  else running?.abort();
});
document.addEventListener("click", ({ target }) => {
  // Beside the popover and beside what opens it
  const opens = target instanceof Element && target.closest(".text, .map") !== null;
  if (details.isPinned && !opens && target instanceof Node && !details.holds(target)) details.close();
});
document.addEventListener("themechange", () => {
  for (const lane of lanes) lane.redraw();
});

setComparing(false);
