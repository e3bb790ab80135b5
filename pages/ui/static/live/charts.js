// The curves over the steps: updated in place so that zoom, legend and hover stay as they are, and linked.
import { perBoard } from "../lib/board.js";
import { aboutButton, fill, h } from "../lib/dom.js";
import { drawPlot, place, withPlotly } from "../lib/plot.js";
import { watchTheme } from "../lib/theme.js";
import { feedOf } from "./feed.js";

/**
 * @import { ChartPart } from "../lib/payloads"
 * @import { LiveBoard } from "./feed.js"
 */
/**
 * @typedef {object} Box
 * @property {HTMLElement} title
 * @property {HTMLElement & Plotly} plot
 * @property {number} place  of the chart among all
 * @property {boolean} isLinked
 * @property {boolean} isInSight
 */
/** @typedef {(key: string, place: number) => HTMLElement} Home  where a chart belongs */
/**
 * @typedef {object} Charts
 * @property {string} run
 * @property {[number, number] | null} range  of steps, if someone zoomed in
 * @property {Map<string, Box>} boxes
 * @property {Set<Box>} waiting  charts still to be painted
 * @property {boolean} isPainting
 * @property {boolean} isHovering
 * @property {number} settling  the timer of a zoom
 * @property {() => void} redraw
 */

const ZOOM_SETTLES_MS = 120;

const stateOf = perBoard(
  /**
   * @param {LiveBoard} _
   * @returns {Charts}
   */
  (_) => ({
    run: "",
    range: null,
    boxes: new Map(),
    waiting: new Set(),
    isPainting: false,
    isHovering: false,
    settling: 0,
    redraw: () => {},
  }),
);

/**
 * Draws the first `atOnce` charts now and the others one by one when the browser is idle, each only while it
 * is in sight: one takes 10 to 100 ms.
 * @param {LiveBoard} board
 * @param {number} atOnce
 * @param {Home} home
 */
export function drawCharts(board, atOnce, home) {
  const state = stateOf(board);
  const { run, charts, live } = feedOf(board);
  if (!charts || !live) return;
  if (state.run !== run) Object.assign(state, { run, range: null });
  state.redraw = () => drawCharts(board, atOnce, home);
  watchTheme(board, state.redraw);
  charts.charts.forEach((chart, i) => {
    const box = state.boxes.get(chart.key) ?? build(board, chart, i, home(chart.key, i));
    state.boxes.set(chart.key, box);
    fill(box.title, live.now[i].title);
    if (!box.isInSight) return;
    if (i < atOnce) withPlotly(box.plot, () => paint(board, box));
    else state.waiting.add(box);
  });
  if (!state.isPainting) paintSoon(board);
}

/** @param {LiveBoard} board */
function paintSoon(board) {
  const state = stateOf(board);
  state.isPainting = board.root.isConnected && state.waiting.size > 0;
  if (!state.isPainting) return;
  const paintNext = () => {
    const [next] = state.waiting;
    state.waiting.delete(next);
    if (next?.isInSight) withPlotly(next.plot, () => paint(board, next));
    paintSoon(board);
  };
  if ("requestIdleCallback" in window) requestIdleCallback(paintNext, { timeout: 200 });
  else setTimeout(paintNext, 20);
}

/**
 * @param {LiveBoard} board
 * @param {Box} box
 */
function paint(board, box) {
  const state = stateOf(board);
  const { run, charts, live, keys, curves } = feedOf(board);
  const chart = charts?.charts[box.place];
  if (!chart || !live) return;
  const { ranges } = live.now[box.place];
  const { range } = state;
  const key = [run, keys.charts, curves.version, ranges, range];
  drawPlot(board, box.plot, key, () => {
    const axes = Object.entries(ranges).map(([axis, own]) => [
      axis,
      { ...Object(chart.layout[axis]), ...own },
    ]);
    const layout = { ...chart.layout, ...Object.fromEntries(axes) };
    const xaxis = range ? { ...Object(layout.xaxis), range } : layout.xaxis;
    // the points' arrays grow in place: plotly.js looks at this to know that they have
    const datarevision = curves.version;
    return { data: curves.traces(chart, box.place), layout: { ...layout, xaxis, datarevision } };
  });
  if (!box.isLinked) link(board, box);
}

/**
 * @param {LiveBoard} board
 * @param {ChartPart} chart
 * @param {number} index
 * @param {HTMLElement} home
 * @returns {Box}
 */
function build(board, chart, index, home) {
  const title = h("span");
  const plot = place(board);
  const head = h("div", { class: "title" }, title, aboutButton(chart.key, chart.about));
  const root = h("div", { class: "chart", data: { chart: chart.key } }, head, plot);
  home.append(root);
  const box = {
    title,
    plot: /** @type {Box["plot"]} */ (plot),
    place: index,
    isLinked: false,
    isInSight: false,
  };
  const watcher = new IntersectionObserver(
    (entries) => {
      box.isInSight = Boolean(entries.at(-1)?.isIntersecting);
      if (box.isInSight) withPlotly(plot, () => paint(board, box));
    },
    { rootMargin: "20px" },
  );
  watcher.observe(root);
  board.leaving.push(() => watcher.disconnect());
  return box;
}

/**
 * Pointing at a step shows it on every chart; zooming along the steps zooms all.
 * @param {LiveBoard} board
 * @param {Box} box
 */
function link(board, box) {
  const state = stateOf(board);
  box.isLinked = true;
  const others = () =>
    [...state.boxes.values()].filter((other) => other !== box && other.isLinked && other.isInSight);
  box.plot.on("plotly_hover", (/** @type {Plotly} */ event) => {
    if (state.isHovering) return;
    state.isHovering = true;
    for (const other of others()) hover(other.plot, event.xvals?.[0] ?? event.points[0].x);
    state.isHovering = false;
  });
  box.plot.on("plotly_unhover", () => {
    for (const other of others()) window.Plotly.Fx.unhover(other.plot);
  });
  box.plot.on("plotly_relayout", (/** @type {Plotly} */ change) => zoomed(board, change));
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
 * @param {LiveBoard} board
 * @param {Plotly} change
 */
function zoomed(board, change) {
  const state = stateOf(board);
  const from = change["xaxis.range[0]"] ?? change["xaxis.range"]?.[0];
  const to = change["xaxis.range[1]"] ?? change["xaxis.range"]?.[1];
  if (from === undefined && !change["xaxis.autorange"]) return;
  state.range = from === undefined ? null : [from, to];
  state.redraw();
  clearTimeout(state.settling);
  state.settling = window.setTimeout(() => refine(board), ZOOM_SETTLES_MS);
}

/**
 * Fetches the points of the zoomed range as fine as they are recorded.
 * @param {LiveBoard} board
 */
async function refine(board) {
  const state = stateOf(board);
  const { run, curves } = feedOf(board);
  await curves.zoom(run, state.range).catch(() => {});
  if (run === feedOf(board).run) state.redraw();
}
