// The whole batch: one point per token, ratio against whitened advantage, and how many tokens are in each
// case of the clip.
import { fill, h, redrawn } from "../lib/dom.js";
import { fixed, number, signed, visible } from "../lib/format.js";
import { drawPlot, escaped, place, SELECTING, withPlotly } from "../lib/plot.js";
import { BLUE, CLIP, GREY, VERMILION } from "../lib/scales.js";

/**
 * @import { Scatter } from "../lib/payloads"
 * @import { ChangeView, Look, Shown, TokensBoard } from "./view_state.js"
 */

/** @type {[colour: string, symbol: string][]} By case; a cross is a token whose gradient is cut. */
const MARKERS = [
  [GREY, "circle"],
  [BLUE, "triangle-down"],
  [BLUE, "circle"],
  [CLIP, "x"],
  [CLIP, "x"],
  [VERMILION, "circle"],
  [VERMILION, "triangle-up"],
];
const MOST_LISTED = 60;
const HOVER = "%{text}, sample %{customdata[0]}<br>ratio %{x:.3f}, advantage %{y:.3~g}<extra></extra>";

/** @param {TokensBoard} board */
export function buildScatter(board) {
  const title = h("h2");
  const about = h("p", { class: "quiet" });
  const plot = /** @type {HTMLElement & Plotly} */ (place(board));
  const counts = h("table");
  const heading = h("h2");
  const listed = h("div", { class: "hits" });
  const side = h("div", { class: "side" }, h("h2", {}, "Tokens in each case"), counts, heading, listed);
  const root = h("div", { class: "batch" }, title, about, h("div", { class: "columns" }, plot, side));
  return {
    root,
    title,
    about,
    plot,
    counts,
    heading,
    listed,
    isLinked: false,
    scatter: /** @type {Scatter | null} */ (null),
  };
}

/** @typedef {ReturnType<typeof buildScatter>} View */

/**
 * @param {TokensBoard} board
 * @param {View} view
 * @param {Shown} shown
 * @param {ChangeView} changeView
 */
export function drawScatter(board, view, { run, page, batch: { scatter } }, changeView) {
  view.scatter = scatter;
  drawWords(view, page, scatter);
  const batch = [run, page.step, page.look.epoch];
  redrawn(view.counts, batch, () => {
    list(view, [], changeView);
    return caseRows(scatter);
  });
  const { sample, token } = page.look;
  const figure = () => ({
    data: [...points(scatter), ring(scatter, page.look)],
    layout: layoutOf(page, scatter, JSON.stringify(batch)),
    height: 420,
  });
  withPlotly(view.plot, () => {
    drawPlot(board, view.plot, [batch, sample, token], figure, SELECTING);
    if (!view.isLinked) link(view, changeView);
  });
}

/**
 * @param {View} view
 * @param {Shown["page"]} page
 * @param {Scatter} scatter
 */
function drawWords(view, { epochs, look, cliprange }, scatter) {
  const inEpoch = ` in epoch ${look.epoch + 1}: ${scatter.ratio.length} tokens, a point each`;
  fill(view.title, `The whole batch${epochs ? inEpoch : ""}`);
  const lines = `1 − ${number(cliprange)} and 1 + ${number(cliprange)}`;
  const unreached = ` The update never came to ${scatter.unreached} tokens in this epoch.`;
  fill(
    view.about,
    `Shaded: where the clip binds and the gradient is cut. The lines are ${lines}. The view holds 99 of ` +
      `100 points; a double-click shows all.${scatter.unreached ? unreached : ""}`,
  );
}

/**
 * A click chooses a token; dragging a box over points lists their tokens.
 * @param {View} view
 * @param {ChangeView} changeView
 */
function link(view, changeView) {
  view.isLinked = true;
  view.plot.on("plotly_click", (/** @type {Plotly} */ { points: [{ customdata }] }) =>
    changeView({ sample: customdata[0], token: customdata[1] }),
  );
  view.plot.on("plotly_selected", (/** @type {Plotly} */ event) => {
    /** @type {{customdata: number[]}[]} */
    const selected = event?.points ?? [];
    const rows = selected.map(({ customdata }) => customdata[2]);
    list(
      view,
      rows.filter((row) => row !== undefined),
      changeView,
    );
  });
  view.plot.on("plotly_deselect", () => list(view, [], changeView));
}

/**
 * One trace per case, so that the legend names them.
 * @param {Scatter} scatter
 */
function points({ ratio, advantage, case: cases, sample, position, text, cases: named }) {
  return named.flatMap(({ name }, place) => {
    const rows = cases.flatMap((one, i) => (one === place ? [i] : []));
    if (!rows.length) return [];
    const [color, symbol] = MARKERS[place];
    return {
      type: "scatter",
      mode: "markers",
      name,
      x: rows.map((i) => ratio[i]),
      y: rows.map((i) => advantage[i]),
      marker: { color, symbol, size: symbol === "x" ? 7 : 6, opacity: 0.7 },
      customdata: rows.map((i) => [sample[i], position[i], i]),
      text: rows.map((i) => escaped(visible(text[i]))),
      hovertemplate: HOVER,
    };
  });
}

/**
 * Rings around the chosen sample's tokens, a larger one around the chosen token.
 * @param {Scatter} scatter
 * @param {Look} look
 */
function ring({ ratio, advantage, sample, position }, look) {
  const rows = sample.flatMap((one, i) => (one === look.sample ? [i] : []));
  const size = rows.map((i) => (position[i] === look.token ? 18 : 12));
  return {
    type: "scatter",
    mode: "markers",
    name: "this sample",
    hoverinfo: "skip",
    x: rows.map((i) => ratio[i]),
    y: rows.map((i) => advantage[i]),
    marker: { symbol: "circle-open", color: GREY, size, line: { width: 2 } },
    customdata: rows.map((i) => [sample[i], position[i]]),
  };
}

/**
 * @param {Shown["page"]} page
 * @param {Scatter} scatter
 * @param {string} batch  zoom and selection last as long as it stays the same
 */
function layoutOf({ cliprange }, scatter, batch) {
  const [low, high] = [1 - cliprange, 1 + cliprange];
  const far = 1.15 * spread(scatter.ratio.map((ratio) => (ratio ?? 1) - 1));
  const tall = 1.15 * spread(scatter.advantage.map((x) => x ?? 0));
  const wide = Math.max(far, 1.5 * cliprange, 0.02);
  const cuts = [cut(high, 1 + 20 * wide, 0, 20 * tall), cut(1 - 20 * wide, low, -20 * tall, 0)];
  const range = [Math.max(-0.05, 1 - wide), 1 + wide];
  return {
    margin: { l: 50, r: 12, t: 30, b: 44 },
    dragmode: "select",
    hovermode: "closest",
    uirevision: batch,
    selectionrevision: batch,
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 11 } },
    xaxis: { title: { text: "ratio, new over old" }, range, zeroline: false },
    yaxis: { title: { text: "whitened advantage" }, range: [-tall, tall], zeroline: true },
    shapes: [edge(low), edge(high), ...cuts],
  };
}

/** @param {number} x */
function edge(x) {
  const line = { color: CLIP, width: 1.5, dash: "dot" };
  return { type: "line", x0: x, x1: x, y0: 0, y1: 1, yref: "paper", line };
}

/** @type {(x0: number, x1: number, y0: number, y1: number) => object} */
function cut(x0, x1, y0, y1) {
  const line = { width: 0 };
  return { type: "rect", x0, x1, y0, y1, fillcolor: CLIP, opacity: 0.12, line, layer: "below" };
}

/**
 * The distance within which 99 of 100 points lie: a few outliers must not squeeze the rest.
 * @param {number[]} values
 */
export function spread(values) {
  const distances = values.map(Math.abs).sort((a, b) => a - b);
  return distances[Math.floor(0.99 * (values.length - 1))] || 1;
}

/** @param {Scatter} scatter */
function caseRows({ cases, ratio }) {
  const head = h("tr", {}, ...["case", "tokens", "share", "gradient"].map((label) => h("th", {}, label)));
  const rows = cases.map(({ name, count, cut }) => {
    const share = ratio.length ? `${fixed((100 * count) / ratio.length, 1)} %` : "–";
    const passes = name === "none" ? "none" : "passes";
    return h(
      "tr",
      {},
      h("td", {}, name === "none" ? "advantage zero" : name),
      h("td", { class: "number" }, count),
      h("td", { class: "number" }, share),
      h("td", { class: cut && "cut" }, cut ? "cut" : passes),
    );
  });
  return [head, ...rows];
}

/**
 * Lists the selected tokens.
 * @param {View} view
 * @param {number[]} rows
 * @param {ChangeView} changeView
 */
function list({ heading, listed, scatter }, rows, changeView) {
  fill(heading, rows.length ? `${rows.length} tokens selected` : "Selected tokens");
  const hint = h("p", { class: "quiet" }, "Drag a box over points to list their tokens.");
  if (!rows.length || !scatter) return listed.replaceChildren(hint);
  const { sample, position, text, ratio, advantage } = scatter;
  const hits = rows.slice(0, MOST_LISTED).map((i) => {
    const figures = `sample ${sample[i]}, ratio ${number(ratio[i])}, advantage ${signed(advantage[i])}`;
    const onclick = () => changeView({ sample: sample[i], token: position[i] });
    const word = h("span", { class: "text" }, visible(text[i]));
    return h("button", { class: "hit", onclick }, word, h("span", { class: "number quiet" }, figures));
  });
  const more = rows.length - MOST_LISTED;
  listed.replaceChildren(...hits, ...(more > 0 ? [h("p", { class: "quiet" }, `and ${more} more`)] : []));
}
