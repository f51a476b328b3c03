// Builds SVG and HTML elements as text, with everything that comes from outside escaped.

export type Attributes = Readonly<Record<string, string | number>>;

/** One element. `children` are elements already; text goes through `escaped`. */
export function element(name: string, attributes: Attributes = {}, ...children: string[]): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(shortened(value))}"`);
  return `<${name}${written.join("")}>${children.join("")}</${name}>`;
}

export function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** A drawing of `width` × `height` units that takes the width it is given, up to its own. */
export function drawing(width: number, height: number, label: string, children: readonly string[]): string {
  const attributes = {
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": label,
    style: `max-width:${width}px`,
  };
  return element("svg", attributes, ...children);
}

export function textAt(x: number, y: number, text: string, attributes: Attributes = {}): string {
  return element("text", { x, y, ...attributes }, escaped(text));
}

function shortened(value: string | number): string {
  return typeof value === "number" ? String(Math.round(value * 100) / 100) : value;
}
