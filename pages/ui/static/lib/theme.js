// The page's colours, as Streamlit's theme has them.

/** @type {WeakMap<HTMLElement, string>} */
const drawnIn = new WeakMap();

/**
 * The theme's colours as one text: part of the key of whatever is drawn with them.
 * @param {HTMLElement} root
 */
export function theme(root) {
  const style = getComputedStyle(root);
  return style.getPropertyValue("--st-background-color") + style.getPropertyValue("--st-text-color");
}

/**
 * Draws again at a change of theme. To be called at each drawing.
 * @param {{root: HTMLElement, leaving: (() => void)[]}} board
 * @param {() => void} redraw
 */
export function watchTheme({ root, leaving }, redraw) {
  const watched = drawnIn.has(root);
  drawnIn.set(root, theme(root));
  if (watched) return;
  const observer = new MutationObserver(() => {
    if (root.isConnected && theme(root) !== drawnIn.get(root)) redraw();
  });
  observer.observe(document.documentElement, {
    attributes: true,
    subtree: true,
    attributeFilter: ["class", "style"],
  });
  leaving.push(() => observer.disconnect());
}

/**
 * The colours that plotly.js is given, which knows no CSS variables.
 * @param {HTMLElement} root
 */
export function themeColours(root) {
  const style = getComputedStyle(root);
  const text = style.getPropertyValue("--st-text-color").trim() || style.color;
  const back = style.getPropertyValue("--st-background-color").trim() || "#fff";
  /** @param {number} share */
  const mixed = (share) => resolved(root, `color-mix(in srgb, ${text} ${share}%, ${back})`);
  return { text, back, grid: mixed(10), quiet: mixed(40), font: style.fontFamily };
}

/**
 * A CSS colour as plotly.js reads it.
 * @param {HTMLElement} root
 * @param {string} colour
 */
function resolved(root, colour) {
  const probe = document.createElement("i");
  probe.style.color = colour;
  root.append(probe);
  const computed = getComputedStyle(probe).color;
  probe.remove();
  if (!computed.startsWith("color(")) return computed;
  const parts = computed.match(/[\d.]+/g)?.map(Number) ?? [0.5, 0.5, 0.5];
  const bytes = parts.slice(0, 3).map((share) => Math.round(255 * share));
  return `rgb(${bytes.join(",")})`;
}
