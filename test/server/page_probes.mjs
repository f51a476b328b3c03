// Runs inside the page under test: what it breaks of its policy, and what a reader with weak eyes or a keyboard would meet.
// It is a classic script, whatever its ending says.

addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
  globalThis.reportViolation(`${violatedDirective} ${blockedURI}`);
});

globalThis.probes = {
  /** Texts whose contrast is under 4.5 (WCAG 2.2, 1.4.3), each once: `[{text, contrast, color, ground}]`. */
  lowContrast() {
    const found = new Map();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      const text = walker.currentNode.data.trim();
      if (text === "" || !isVisible(element) || element.closest("select, :disabled, label:has(:disabled)")) continue;
      const ground = groundOf(element);
      const color = over(rgba(getComputedStyle(element).color), ground);
      const contrast = ratio(color, ground);
      if (contrast < 4.5) found.set(text.slice(0, 40), { text: text.slice(0, 40), contrast, color, ground });
    }
    return [...found.values()];
  },

  /** Controls without a name, and images that say nothing. */
  unnamed() {
    const controls = [...document.querySelectorAll("button, input, select, textarea, summary, canvas, [tabindex]")];
    return controls.filter((one) => isVisible(one) && nameOf(one) === "").map((one) => one.outerHTML.slice(0, 120));
  },

  /** Ids used twice, and references to ids that are not there. */
  brokenReferences() {
    const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
    const twice = ids.filter((id, i) => ids.indexOf(id) !== i);
    const named = [...document.querySelectorAll("[for], [aria-labelledby], [aria-describedby]")].flatMap((one) =>
      ["for", "aria-labelledby", "aria-describedby"].map((name) => one.getAttribute(name)).filter(Boolean),
    );
    return [...twice, ...named.filter((id) => !ids.includes(id))];
  },

  /** Controls a finger cannot hit (WCAG 2.2, 2.5.8: 24 CSS pixels). */
  smallTargets() {
    return [...document.querySelectorAll("button, select, textarea, summary, input")]
      .filter((one) => isVisible(one) && !one.matches(".skip"))
      .map((one) => ({ one, box: (one.type === "radio" ? one.parentElement : one).getBoundingClientRect() }))
      .filter(({ box }) => box.width < 24 || box.height < 24)
      .map(({ one, box }) => `${one.outerHTML.slice(0, 80)}: ${box.width} x ${box.height}`);
  },

  /** Pixels the page is wider than the window. */
  overflow() {
    return document.documentElement.scrollWidth - document.documentElement.clientWidth;
  },

  /** Whether nothing lies over an element's corners, and none is off the screen. */
  isInSight(element) {
    const { left, right, top, bottom } = element.getBoundingClientRect();
    const corners = [left + 1, right - 1].flatMap((x) => [top + 1, bottom - 1].map((y) => [x, y]));
    return corners.every(([x, y]) => element.contains(document.elementFromPoint(x, y)));
  },

  /** The widths an element takes once it is there, frame by frame, each once, until something is at the other selector. */
  async widthsUntil(selector, end) {
    const widths = new Set();
    while (document.querySelector(end) === null) {
      const element = document.querySelector(selector);
      if (element !== null) widths.add(element.clientWidth);
      await new Promise(requestAnimationFrame);
    }
    return [...widths];
  },

  /** Distinct colours of a canvas's opaque pixels. */
  canvasColors(canvas) {
    const { width, height } = canvas;
    // A copy: reading the page's own canvas would change how the browser keeps it
    const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, width, height);
    const colors = new Set();
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] === 255) colors.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
    }
    return [...colors];
  },
};

function isVisible(element) {
  return element.checkVisibility({ visibilityProperty: true }) && !element.closest(".unseen, .skip");
}

function nameOf(element) {
  const labels = [...(element.labels ?? [])].map(({ textContent }) => textContent);
  const labelled = document.getElementById(element.getAttribute("aria-labelledby"))?.textContent;
  const own = element.matches("button, summary") ? element.textContent : "";
  return [element.ariaLabel, labelled, ...labels, own].join("").trim();
}

/** Any CSS colour as [r, g, b, a]: a canvas resolves what getComputedStyle leaves as oklab(). */
const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
function rgba(color) {
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = color;
  pixel.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
}

function over([r, g, b, a], ground) {
  return [r, g, b].map((value, i) => value * a + ground[i] * (1 - a));
}

/** What lies behind an element's text. */
function groundOf(element) {
  const layers = [];
  for (let one = element; one !== null; one = one.parentElement)
    layers.unshift(rgba(getComputedStyle(one).backgroundColor));
  return layers.reduce((ground, layer) => over(layer, ground), [255, 255, 255]);
}

/** WCAG 2.2, "contrast ratio". */
function ratio(a, b) {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(color) {
  const [r, g, b] = color.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
