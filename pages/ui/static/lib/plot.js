// Plots: their containers, and drawing into them with plotly.js in the theme's colours.
import { h, redrawn } from "./dom.js";
import { theme, themeColours } from "./theme.js";

const LIBRARY = new URL("../plotly.js", import.meta.url).href;

const RETRY_MS = 2000;

/** @type {Promise<unknown> | null} */
let loading = null;

/**
 * Loads plotly.js, once: it is large, and what is no plot need not wait for it.
 * @returns {Promise<unknown>}
 */
export function loadPlotly() {
  loading ??= new Promise((loaded) => {
    if (window.Plotly) return loaded(null);
    const load = () => {
      const script = Object.assign(document.createElement("script"), { src: LIBRARY, onload: loaded });
      script.onerror = () => setTimeout(load, RETRY_MS);
      document.head.append(script);
    };
    load();
  });
  return loading;
}

/** @type {Map<object, () => void>} What is to be drawn of each once plotly.js is here. */
const waiting = new Map();

/**
 * Draws at once if plotly.js is here, else as soon as it is; of one thing the last drawing only.
 * @param {object} thing
 * @param {() => void} draw
 */
export function withPlotly(thing, draw) {
  if (window.Plotly) return draw();
  if (!waiting.size)
    loadPlotly().then(() => {
      const drawings = [...waiting.values()];
      waiting.clear();
      for (const one of drawings) one();
    });
  waiting.set(thing, draw);
}

/** @typedef {Record<string, unknown>} Trace */
/** @typedef {Record<string, unknown>} Layout */
/** @typedef {{root: HTMLElement, leaving: (() => void)[]}} Frame  what a plot needs from its board */

// On a touch screen, where nothing hovers, plotly.js's toolbar would always cover the newest data.
const HOVERS = globalThis.matchMedia?.("(hover: hover)").matches;

const CONFIG = {
  displaylogo: false,
  responsive: false,
  displayModeBar: HOVERS && "hover",
  doubleClick: "autosize",
  modeBarButtonsToRemove: ["sendChartToCloud", "select2d", "lasso2d", "resetScale2d"],
};

/** For plots whose points can be selected. */
export const SELECTING = {
  displaylogo: false,
  responsive: false,
  displayModeBar: HOVERS && "hover",
  modeBarButtonsToRemove: ["sendChartToCloud", "resetScale2d"],
};

const AXES = ["xaxis", "yaxis", "yaxis2"];

/**
 * A plot's container. The plot is redrawn whenever its width changes; swiping on it scrolls the page; it is
 * purged along with the board.
 * @param {Frame} board
 */
export function place(board) {
  const plot = h("div", { class: "plot" });
  plot.addEventListener("touchstart", (event) => event.stopPropagation(), { capture: true, passive: true });
  widths().observe(plot);
  board.leaving.push(() => {
    waiting.delete(plot);
    window.Plotly?.purge(plot);
  });
  return plot;
}

/** @type {ResizeObserver | undefined} */
let observer;
let settled = 0;

function widths() {
  observer ??= new ResizeObserver((entries) => {
    for (const { target } of entries) if (!target.isConnected) observer?.unobserve(target);
    clearTimeout(settled);
    settled = window.setTimeout(fitWidths, 80);
  });
  return observer;
}

function fitWidths() {
  /** @type {NodeListOf<HTMLElement & {_fullLayout?: {width: number}}>} */
  const plots = document.querySelectorAll(".ppo-board .plot.js-plotly-plot");
  for (const plot of plots) {
    const width = plot.clientWidth;
    if (!plot._fullLayout || !width || Math.abs(plot._fullLayout.width - width) <= 1) continue;
    window.Plotly.relayout(plot, { width });
  }
}

/**
 * Updates a plot in place, so that zoom, legend and hover stay as they are, if its key has changed. Returns
 * whether it did. height: the container's, unless the figure has its own.
 * @param {Frame} board
 * @param {HTMLElement} plot
 * @param {unknown} key
 * @param {() => {data: Trace[], layout: Layout, height?: number}} figure
 * @param {object} [config]
 */
export function drawPlot(board, plot, key, figure, config = CONFIG) {
  return redrawn(plot, [key, theme(board.root)], () => {
    const { data, layout, height = plot.clientHeight } = figure();
    window.Plotly.react(plot, data, { ...layout, height, ...themed(board.root, layout) }, config);
  });
}

/**
 * The parts of a layout that depend on the theme.
 * @param {HTMLElement} root
 * @param {Layout} layout
 */
function themed(root, layout) {
  const { text, back, grid, quiet, font } = themeColours(root);
  const axes = AXES.filter((name) => layout[name]).map((name) => {
    const axis = /** @type {object} */ (layout[name]);
    return [name, { ...axis, gridcolor: grid, linecolor: grid }];
  });
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: text, family: font, size: 12 },
    hoverlabel: { bgcolor: back, font: { color: text } },
    // Vertical and transparent: the legend is along the top, and a touch screen always shows the toolbar.
    modebar: { orientation: "v", bgcolor: "rgba(0,0,0,0)", color: quiet, activecolor: text },
    ...Object.fromEntries(axes),
  };
}

/**
 * plotly.js interprets a few tags in text, so a token's must be escaped.
 * @param {string} text
 */
export function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
