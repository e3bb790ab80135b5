// The colours of Streamlit's theme.

/** @type {WeakMap<HTMLElement, string>} */
const drawnIn = new WeakMap();

/**
 * The theme's colours as one string: part of the key of anything drawn in them.
 * @param {HTMLElement} root
 */
export function theme(root) {
  const style = getComputedStyle(root);
  return style.getPropertyValue("--st-background-color") + style.getPropertyValue("--st-text-color");
}

/**
 * Redraws when the theme changes. Call it on every draw.
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
 * The colours to give to plotly.js, which does not understand CSS variables.
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
 * A CSS colour in a form that plotly.js can parse.
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
