// The curves over the steps: updated in place so that zoom, legend and hover stay as they are, and linked.
import { perBoard } from "../lib/board.js";
import { aboutButton, fill, h } from "../lib/dom.js";
import { drawPlot, place } from "../lib/plot.js";
import { watchTheme } from "../lib/theme.js";

/**
 * @import { Board } from "../lib/board.js"
 * @import { Chart, LivePayload } from "../lib/payloads"
 */
/** @typedef {{title: HTMLElement, plot: HTMLElement & Plotly, linked: boolean}} Box */
/** @typedef {(key: string, place: number) => HTMLElement} Home  where a chart belongs */
/**
 * @typedef {object} Charts
 * @property {string} run
 * @property {[number, number] | null} range  of steps, if someone zoomed in
 * @property {Map<string, Box>} boxes
 * @property {Chart[]} waiting  charts still to be painted
 * @property {boolean} painting
 * @property {boolean} hovering
 * @property {() => void} redraw
 */

const stateOf = perBoard(
  /**
   * @param {Board<LivePayload>} board
   * @returns {Charts}
   */
  ({ data }) => ({
    run: data.run.id,
    range: null,
    boxes: new Map(),
    waiting: [],
    painting: false,
    hovering: false,
    redraw: () => {},
  }),
);

/**
 * Draws the first `atOnce` charts now and the others one by one when the browser is idle: each takes 10 to
 * 100 ms.
 * @param {Board<LivePayload>} board
 * @param {Chart[]} charts
 * @param {number} atOnce
 * @param {Home} home
 */
export function drawCharts(board, charts, atOnce, home) {
  const state = stateOf(board);
  if (state.run !== board.data.run.id) Object.assign(state, { run: board.data.run.id, range: null });
  state.redraw = () => drawCharts(board, board.data.charts, atOnce, home);
  watchTheme(board, state.redraw);
  charts.forEach((chart, i) => {
    if (!state.boxes.has(chart.key)) state.boxes.set(chart.key, build(board, chart, home(chart.key, i)));
    fill(boxOf(state, chart).title, chart.title);
  });
  for (const chart of charts.slice(0, atOnce)) paint(board, chart);
  state.waiting = charts.slice(atOnce);
  if (!state.painting) paintSoon(board);
}

/** @param {Board<LivePayload>} board */
function paintSoon(board) {
  const state = stateOf(board);
  state.painting = board.root.isConnected && state.waiting.length > 0;
  if (!state.painting) return;
  const paintNext = () => {
    const next = state.waiting.shift();
    if (next) paint(board, next);
    paintSoon(board);
  };
  if ("requestIdleCallback" in window) requestIdleCallback(paintNext, { timeout: 200 });
  else setTimeout(paintNext, 20);
}

/**
 * @param {Board<LivePayload>} board
 * @param {Chart} chart
 */
function paint(board, chart) {
  const state = stateOf(board);
  const box = boxOf(state, chart);
  const { data, layout } = chart.spec;
  const { range } = state;
  const xaxis = range ? { ...Object(layout.xaxis), range } : layout.xaxis;
  drawPlot(board, box.plot, [chart.spec, range], () => ({ data, layout: { ...layout, xaxis } }));
  if (!box.linked) link(state, box);
}

/**
 * @param {Charts} state
 * @param {Chart} chart
 */
function boxOf(state, chart) {
  return /** @type {Box} */ (state.boxes.get(chart.key));
}

/**
 * @param {Board<LivePayload>} board
 * @param {Chart} chart
 * @param {HTMLElement} home
 * @returns {Box}
 */
function build(board, chart, home) {
  const title = h("span");
  const plot = place(board);
  const head = h("div", { class: "title" }, title, aboutButton(chart.key, chart.about));
  home.append(h("div", { class: "chart", data: { chart: chart.key } }, head, plot));
  return { title, plot, linked: false };
}

/**
 * Pointing at a step shows it on every chart; zooming along the steps zooms all.
 * @param {Charts} state
 * @param {Box} box
 */
function link(state, box) {
  box.linked = true;
  const others = () => [...state.boxes.values()].filter((other) => other !== box && other.linked);
  box.plot.on("plotly_hover", (/** @type {Plotly} */ event) => {
    if (state.hovering) return;
    state.hovering = true;
    for (const other of others()) hover(other.plot, event.xvals?.[0] ?? event.points[0].x);
    state.hovering = false;
  });
  box.plot.on("plotly_unhover", () => {
    for (const other of others()) window.Plotly.Fx.unhover(other.plot);
  });
  box.plot.on("plotly_relayout", (/** @type {Plotly} */ change) => zoomed(state, change));
}

/**
 * @param {HTMLElement} plot
 * @param {number} step
 */
function hover(plot, step) {
  try {
    window.Plotly.Fx.hover(plot, { xval: step });
  } catch {
    // not drawn yet
  }
}

/**
 * The zoom belongs to the board: it applies to every chart and stays as the axis of steps grows.
 * @param {Charts} state
 * @param {Plotly} change
 */
function zoomed(state, change) {
  const from = change["xaxis.range[0]"] ?? change["xaxis.range"]?.[0];
  const to = change["xaxis.range[1]"] ?? change["xaxis.range"]?.[1];
  if (from === undefined && !change["xaxis.autorange"]) return;
  state.range = from === undefined ? null : [from, to];
  state.redraw();
}
