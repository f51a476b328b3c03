// `molora demo --color always | node docs/terminal_svg.mjs > docs/demo.svg`: a terminal as a picture.
// Block characters become rectangles, so that no font leaves seams between them.

import { text } from "node:stream/consumers";

const [WIDTH, HEIGHT, MARGIN, BAR] = [8.4, 18, 18, 34];
const [GROUND, FRAME, INK] = ["#12141a", "#2a2e39", "#d7dae2"];
const LOWER = " ▁▂▃▄▅▆▇";
const LEFT = " ▏▎▍▌▋▊▉█";

/** Of the 256 colours, those above the first 16. */
function color(code) {
  if (code >= 232) return rgb([0, 0, 0].map(() => 8 + (code - 232) * 10));
  const levels = [0, 95, 135, 175, 215, 255];
  return rgb([36, 6, 1].map((unit) => levels[Math.floor((code - 16) / unit) % 6]));
}

function rgb(parts) {
  return `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/** One cell a character: { char, ink, ground, bold }. */
function cells(line) {
  const made = [];
  let style = {};
  const [plain, ...styled] = line.split("\u001b[");
  for (const char of plain) made.push({ char });
  for (const part of styled) {
    const end = part.indexOf("m");
    style = applied(style, part.slice(0, end).split(";").map(Number));
    for (const char of part.slice(end + 1)) made.push({ char, ...style });
  }
  return made;
}

function applied(style, codes) {
  const next = { ...style };
  for (let i = 0; i < codes.length; i++) {
    if (codes[i] === 0) for (const key of Object.keys(next)) delete next[key];
    if (codes[i] === 1) next.bold = true;
    if (codes[i] === 38 && codes[i + 1] === 5) next.ink = color(codes[i + 2]);
    if (codes[i] === 48 && codes[i + 1] === 5) next.ground = color(codes[i + 2]);
    if (codes[i] === 38 || codes[i] === 48) i += 2;
  }
  return next;
}

/** Neighbours that look the same, drawn as one. */
function runs(row) {
  const grouped = [];
  for (const [x, cell] of row.entries()) {
    const last = grouped.at(-1);
    const block = /[▀▁-█▉-▏]/.test(cell.char);
    const same = last !== undefined && last.ink === cell.ink && last.ground === cell.ground && last.bold === cell.bold;
    if (same && last.block === block && (!block || last.chars.at(-1) === cell.char)) last.chars.push(cell.char);
    else grouped.push({ ...cell, x, block, chars: [cell.char] });
  }
  return grouped;
}

function drawn({ x, block, chars, ink = INK, ground, bold }, y) {
  const left = MARGIN + x * WIDTH;
  const width = chars.length * WIDTH;
  const box = (fill, dx, dy, w, h) =>
    `<rect x="${fixed(left + dx)}" y="${fixed(y + dy)}" width="${fixed(w)}" height="${fixed(h)}" fill="${fill}"/>`;
  const behind = ground === undefined ? "" : box(ground, 0, 0, width, HEIGHT);
  if (!block) return behind + (chars.join("").trim() === "" ? "" : letters(chars.join(""), { left, y, ink, bold }));
  if (chars[0] === "▀") return behind + box(ink, 0, 0, width, HEIGHT / 2);
  const height = LOWER.indexOf(chars[0]);
  if (height > 0) return behind + box(ink, 0, HEIGHT * (1 - height / 8), width, (HEIGHT * height) / 8);
  return behind + box(ink, 0, 2, width - WIDTH + (WIDTH * LEFT.indexOf(chars[0])) / 8, HEIGHT - 4);
}

/** Text that takes exactly its cells, whatever the font. */
function letters(string, { left, y, ink, bold }) {
  const start = string.length - string.trimStart().length;
  const shown = string.trim();
  const weight = bold ? ` font-weight="bold"` : "";
  const place = `x="${fixed(left + start * WIDTH)}" y="${fixed(y + 13.5)}" textLength="${fixed(shown.length * WIDTH)}"`;
  return `<text ${place} fill="${ink}"${weight}>${escaped(shown)}</text>`;
}

function escaped(string) {
  return string.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function fixed(number) {
  return Number(number.toFixed(2));
}

const lines = (await text(process.stdin)).replaceAll("\r", "").trim().split("\n").map(cells);
const width = fixed(2 * MARGIN + Math.max(...lines.map((line) => line.length)) * WIDTH);
const height = BAR + 2 * MARGIN + lines.length * HEIGHT;
const dots = ["#ff5f57", "#febc2e", "#28c840"].map(
  (fill, i) => `<circle cx="${20 + 20 * i}" cy="18" r="6" fill="${fill}"/>`,
);
const rows = lines.map((row, i) =>
  runs(row)
    .map((run) => drawn(run, BAR + MARGIN + i * HEIGHT))
    .join(""),
);
console.log(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" ` +
    `xml:space="preserve" shape-rendering="crispEdges">\n` +
    `<rect width="${width}" height="${height}" rx="10" fill="${GROUND}" stroke="${FRAME}"/>\n` +
    `${dots.join("")}\n${rows.filter(Boolean).join("\n")}\n</svg>`,
);
