// The What-if page's distributions and lessons: the ladder of estimators, the trade-off of lambda, and the
// clip.
import { aboutButton, fill, h } from "../lib/dom.js";
import { drawPlot, place, withPlotly } from "../lib/plot.js";
import { BLUE, GREEN, GREY, VERMILION } from "../lib/scales.js";
import { clipFigure } from "./clip.js";
import { drawLadder, ladderTitle } from "./ladder.js";

/**
 * @import { Layout, Trace } from "../lib/plot.js"
 * @import { Histogram, Sweep } from "../lib/payloads"
 * @import { WhatIfBoard, WhatIfShown } from "./view_state.js"
 */
/** @typedef {{data: Trace[], layout: Layout}} Figure */
/**
 * @typedef {object} Chart
 * @property {HTMLElement} box
 * @property {HTMLElement} title
 * @property {HTMLElement} plot
 * @property {Figure | null} wanted
 * @property {boolean} isInSight
 */
/** @typedef {"advantages" | "returns" | "ladder" | "sweep" | "clip"} Key */

/** @type {Record<Key, string>} */
const ABOUT = {
  advantages:
    "How many of the batch's tokens have which advantage, before whitening: grey as they were, blue with " +
    "these settings.",
  returns: "How many of the batch's tokens have which return: grey as they were, green with these settings.",
  sweep:
    "Over the whole batch, for every lambda. Variance: how widely the advantages scatter, because they " +
    "lean on one sampled text. Squared distance from lambda 1: how far they are on average from the " +
    "advantages that use sampled rewards alone, which stands for the bias that a wrong value head brings." +
    " Lambda trades one for the other.",
  clip:
    "The clipped objective of a token over its ratio, for an advantage of plus and of minus one: beyond " +
    "the clip range it is flat on one side, and a token there gets no gradient. Points are this batch's " +
    "tokens at the ratio of their last epoch; at most 150 of each sign are drawn.",
  ladder:
    "A(k) counts k rewards as sampled and leaves the rest to the value head. GAE mixes them all, with " +
    "weights (1 − lambda) lambda^(k − 1); the last takes the rest.",
};

const NO_CLIP = "The update ended before its first gradient step, so there are no ratios";
const NO_CLIP_EXAMPLE = "The notebook prints no ratios for this batch, so there is no clip to show";

const LAYOUT = {
  margin: { l: 46, r: 10, t: 6, b: 34 },
  showlegend: true,
  legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
  hovermode: "closest",
};

/** @param {WhatIfBoard} board */
export function buildDistributions(board) {
  const charts = { advantages: plotted(board, "advantages"), returns: plotted(board, "returns") };
  const boxes = Object.values(charts).map(({ box }) => box);
  return { root: h("div", { class: "distributions" }, ...boxes), ...charts };
}

/** @param {WhatIfBoard} board */
export function buildLessons(board) {
  const ladder = framed("ladder", h("div", { class: "ladder" }));
  const charts = { ladder, sweep: plotted(board, "sweep"), clip: plotted(board, "clip") };
  const boxes = Object.values(charts).map(({ box }) => box);
  return { root: h("div", { class: "lessons" }, ...boxes), ...charts };
}

/**
 * @param {Key} key
 * @param {HTMLElement} plot
 * @returns {Chart}
 */
function framed(key, plot) {
  const title = h("span");
  const head = h("div", { class: "title" }, title, aboutButton(key, ABOUT[key]));
  const box = h("div", { class: "chart", data: { chart: key } }, head, plot);
  return { box, title, plot, wanted: null, isInSight: false };
}

/**
 * A plot that is drawn only while it is visible: plotly.js takes 10 to 50 ms for each, and a slider must not
 * wait for that.
 * @param {WhatIfBoard} board
 * @param {Key} key
 */
function plotted(board, key) {
  const chart = framed(key, place(board));
  const watcher = new IntersectionObserver(
    (entries) => {
      chart.isInSight = Boolean(entries.at(-1)?.isIntersecting);
      paint(board, chart);
    },
    { rootMargin: "80px" },
  );
  watcher.observe(chart.box);
  board.leaving.push(() => watcher.disconnect());
  return chart;
}

/**
 * @param {WhatIfBoard} board
 * @param {Chart} chart
 * @param {string} title
 * @param {Figure} figure
 */
function put(board, chart, title, { data, layout }) {
  fill(chart.title, title);
  chart.wanted = { data, layout: { ...LAYOUT, ...layout } };
  paint(board, chart);
}

/**
 * @param {WhatIfBoard} board
 * @param {Chart} chart
 */
function paint(board, { plot, wanted, isInSight }) {
  if (isInSight && wanted) withPlotly(plot, () => drawPlot(board, plot, wanted, () => wanted));
}

/**
 * @param {WhatIfBoard} board
 * @param {ReturnType<typeof buildDistributions>} view
 * @param {WhatIfShown} data
 */
export function drawDistributions(board, view, { histograms, example }) {
  for (const histogram of histograms)
    put(board, view[histogram.key], histogram.title, distribution(histogram, example));
}

/**
 * @param {Histogram} histogram
 * @param {boolean} example
 * @returns {Figure}
 */
function distribution({ key, x, was, now, axis }, example) {
  const last = x.at(-1) ?? 0;
  const edges = [...x, 2 * last - (x.at(-2) ?? last - 1)];
  /** @type {(name: string, y: number[], more: object) => Trace} */
  const steps = (name, y, more) => ({
    type: "scatter",
    mode: "lines",
    x: edges,
    y: [...y, 0],
    name,
    ...more,
  });
  const grey = {
    line: { shape: "hv", color: GREY, width: 1 },
    fill: "tozeroy",
    fillcolor: "rgba(140,140,140,.35)",
  };
  const line = { shape: "hv", color: key === "returns" ? GREEN : BLUE, width: 2 };
  return {
    data: [
      steps(example ? "in the notebook" : "in the run", was, grey),
      steps("with these settings", now, { line }),
    ],
    layout: {
      xaxis: { title: { text: axis.slice(0, -1), standoff: 4 } },
      yaxis: { title: { text: "tokens" }, rangemode: "tozero" },
    },
  };
}

/**
 * @param {WhatIfBoard} board
 * @param {ReturnType<typeof buildLessons>} view
 * @param {WhatIfShown} data
 */
export function drawLessons(board, view, { ladder, sample, sweep, clip, example }) {
  fill(view.ladder.title, ladderTitle(ladder, sample.token));
  drawLadder(view.ladder.plot, ladder);
  put(board, view.sweep, sweep.title, sweepFigure(sweep));
  view.clip.plot.classList.toggle("empty", !clip);
  const none = example ? NO_CLIP_EXAMPLE : NO_CLIP;
  const figure = clip && clipFigure(clip, getComputedStyle(board.root).color);
  put(board, view.clip, clip?.title ?? none, figure ?? { data: [], layout: { xaxis: {}, yaxis: {} } });
}

/**
 * Variance and distance over lambda, with the run's lambda and the chosen one.
 * @param {Sweep} sweep
 * @returns {Figure}
 */
function sweepFigure({ lams, variance, distance, was, now }) {
  /** @type {(name: string, y: number[], color: string, dash: string) => Trace} */
  const line = (name, y, color, dash) => ({
    type: "scatter",
    mode: "lines",
    x: lams,
    y,
    name,
    line: { color, width: 2, dash },
  });
  /** @type {(x: number, color: string, dash: string) => object} */
  const mark = (x, color, dash) => ({
    type: "line",
    x0: x,
    x1: x,
    yref: "paper",
    y0: 0,
    y1: 1,
    line: { color, width: 1.5, dash },
  });
  return {
    data: [
      line("variance", variance, BLUE, "solid"),
      line("squared distance from lambda 1", distance, VERMILION, "dash"),
    ],
    layout: {
      shapes: [mark(was, GREY, "dot"), mark(now, BLUE, "solid")],
      xaxis: { title: { text: "lambda", standoff: 4 }, range: [0, 1] },
      yaxis: { rangemode: "tozero" },
    },
  };
}
