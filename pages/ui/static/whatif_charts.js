// The What-if page's distributions and its two lessons: the ladder of k-step estimators, and the clip.
import { CONFIG, place, themed } from "./curves.js";
import { aboutButton } from "./board.js";
import { element, fill, number, signed } from "./dom.js";
import { colour } from "./tokens.js";

const BLUE = "#0072B2", VERMILION = "#D55E00", GREEN = "#009E73", GREY = "#8c8c8c", CLIP = "#CC79A7";
const ABOUT = {
  advantages: "How many of the batch's tokens have which advantage, before whitening: grey as they were, blue with these knobs.",
  returns: "How many of the batch's tokens have which return: grey as they were, green with these knobs.",
  sweep: "Over the whole batch, for every lambda. Variance: how widely the advantages scatter, because they lean on one sampled text. Squared distance from lambda 1: how far they are on average from the advantages that use sampled rewards alone, which stands for the bias that a wrong value head brings. Lambda trades one for the other.",
  clip: "The clipped objective of a token over its ratio, for an advantage of plus and of minus one: beyond the clip range it is flat on one side, and a token there gets no gradient. Points are this batch's tokens at the ratio of their last epoch; at most 150 of each sign are drawn.",
  ladder: "A(k) counts k rewards as sampled and leaves the rest to the value head. GAE mixes them all, with weights (1 − lambda) lambda^(k − 1); the last takes the rest.",
};
const LAYOUT = { margin: { l: 46, r: 10, t: 6, b: 34 }, showlegend: true, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }, hovermode: "closest" };

export function buildLessons(board, page, body, which) {
  board.local.charts ??= new Map(); // as the live board's, so that plots are purged with the page
  const grid = element("div", which);
  for (const key of which === "lessons" ? ["ladder", "sweep", "clip"] : ["advantages", "returns"]) {
    const box = element("div", "chart"), head = element("div", "title"), title = element("span"), plot = key === "ladder" ? element("div", "ladder") : place();
    box.dataset.chart = key;
    head.append(title, aboutButton(key, ABOUT[key]));
    box.append(head, plot);
    grid.append(box);
    const made = { title, plot, box };
    (page.charts ??= {})[key] = made;
    if (key === "ladder") continue;
    board.local.charts.set(key, made);
    watchSight(made);
  }
  body.append(grid);
}

export function drawDistributions(board, page, data) {
  for (const { key, title, x, was, now, axis } of data.histograms) {
    const steps = (y, name, more) => ({ type: "scatter", mode: "lines", x: [...x, 2 * x.at(-1) - (x.at(-2) ?? x.at(-1) - 1)], y: [...y, 0], name, ...more });
    put(board, page.charts[key], title, [
      steps(was, data.example ? "in the notebook" : "in the run", { line: { shape: "hv", color: GREY, width: 1 }, fill: "tozeroy", fillcolor: "rgba(140,140,140,.35)" }),
      steps(now, "with these knobs", { line: { shape: "hv", color: key === "returns" ? GREEN : BLUE, width: 2 } }),
    ], { ...LAYOUT, xaxis: { title: { text: axis.slice(0, -1), standoff: 4 } }, yaxis: { title: { text: "tokens" }, rangemode: "tozero" } });
  }
}

export function drawLessons(board, page, data) {
  drawLadder(page, data);
  drawSweep(board, page, data.sweep);
  drawClip(board, page, data.clip, data.example);
}

function drawLadder(page, { ladder, sample }) {
  const made = page.charts.ladder, rungs = ladder?.rungs ?? [], last = ladder?.count;
  fill(made.title, !ladder ? "This response has no token"
    : `Token ${sample.token + 1}: ${last === 1 ? "one estimator, because it is the last" : `${last} estimators make the advantage ${signed(ladder.sum)}`}`);
  const shape = rungs.map(({ k }) => k).join();
  if (made.shape !== shape) {
    made.shape = shape;
    made.rows = rungs.map(({ k }) => {
      const row = element("div", "rung"), bar = element("span", "bar"), full = element("i"), own = element("u"), weight = element("span", "number quiet"), value = element("span", "number value");
      bar.append(full, own);
      row.append(element("span", "k", k ? `A(${k})` : "between"), value, bar, weight);
      row.tabIndex = 0;
      return { row, full, own, weight, value };
    });
    made.plot.replaceChildren(...made.rows.map(({ row }) => row));
  }
  const limit = Math.max(...rungs.map(({ value }) => Math.abs(value ?? 0)), 1e-9);
  rungs.forEach(({ k, value, weight, own }, i) => {
    const parts = made.rows[i];
    fill(parts.value, value === null ? "" : signed(value));
    parts.value.style.background = colour(value, 0, limit);
    parts.full.style.width = `${100 * weight}%`;
    parts.own.style.left = `${100 * own}%`;
    fill(parts.weight, weight < 0.0005 && weight > 0 ? "below 0.1 %" : `${(100 * weight).toFixed(1)} %`);
    const seen = k === last ? "every reward to the end of the response as sampled" : `${k} reward${k > 1 ? "s" : ""} as sampled, then the value head's forecast`;
    parts.row.dataset.tip = `${k ? `A(${k}) = ${signed(value)}: ${seen}` : "The estimators between, together"}.\nWeight ${number(weight)}, the run's ${number(own)}${k ? `; adds ${signed(weight * value)}` : ""}.`;
  });
}

function drawSweep(board, page, sweep) {
  const line = (y, name, color, dash) => ({ type: "scatter", mode: "lines", x: sweep.lams, y, name, line: { color, width: 2, dash } });
  const mark = (x, color, dash) => ({ type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color, width: 1.5, dash } });
  put(board, page.charts.sweep, sweep.title, [line(sweep.variance, "variance", BLUE, "solid"), line(sweep.distance, "squared distance from lambda 1", VERMILION, "dash")],
    { ...LAYOUT, shapes: [mark(sweep.was, GREY, "dot"), mark(sweep.now, BLUE, "solid")], xaxis: { title: { text: "lambda", standoff: 4 }, range: [0, 1] }, yaxis: { rangemode: "tozero" } });
}

function drawClip(board, page, clip, example) {
  const made = page.charts.clip;
  made.plot.classList.toggle("empty", !clip);
  if (!clip) return put(board, made, example ? "The notebook prints no ratios for this batch, so there is no clip to show" : "The update ended before its first gradient step, so there are no ratios", [], { ...LAYOUT, xaxis: {}, yaxis: {} });
  const colours = [BLUE, VERMILION], names = ["advantage above 0", "advantage below 0"];
  const curves = clip.sides.map(({ curve }, i) => ({ type: "scatter", mode: "lines", x: clip.grid, y: curve, name: names[i], line: { color: colours[i], width: 2, dash: i ? "dash" : "solid" }, hoverinfo: "skip" }));
  const points = (bound) => {
    const all = clip.sides.flatMap(({ x, y, binds }) => x.map((at, i) => [at, y[i], binds[i]])).filter(([, , binds]) => binds === bound);
    return { type: "scatter", mode: "markers", x: all.map(([at]) => at), y: all.map(([, y]) => y), name: bound ? "clip binds" : "clip does not bind",
      marker: bound ? { color: CLIP, symbol: "x", size: 6 } : { color: GREY, symbol: "circle-open", size: 6 }, hovertemplate: "ratio %{x:.3f}<extra></extra>" };
  };
  const chosen = clip.chosen && { type: "scatter", mode: "markers", x: [clip.chosen[0]], y: [clip.chosen[1]], name: "chosen token", marker: { symbol: "diamond-open", size: 14, color: getComputedStyle(board.root).color, line: { width: 2 } }, hovertemplate: "ratio %{x:.3f}<extra>chosen token</extra>" };
  const band = { type: "rect", layer: "below", yref: "paper", x0: 1 - clip.range, x1: 1 + clip.range, y0: 0, y1: 1, line: { width: 0 }, fillcolor: "rgba(140,140,140,.15)" };
  put(board, made, clip.title, [...curves, points(false), points(true), ...(chosen ? [chosen] : [])], { ...LAYOUT, shapes: [band], xaxis: { title: { text: "ratio", standoff: 4 } }, yaxis: { title: { text: "L_CLIP" } } });
}

// A chart out of sight is drawn when it comes into sight: plotly takes 10 to 50 ms for each, and a slider must not wait for that.
function put(board, made, title, data, layout) {
  fill(made.title, title);
  made.wanted = { board, data, layout, fingerprint: JSON.stringify([data, layout, board.local.theme]) };
  if (made.inSight) paint(made);
}

function paint(made) {
  const { board, data, layout, fingerprint } = made.wanted ?? {};
  if (!board || made.fingerprint === fingerprint) return;
  made.fingerprint = fingerprint;
  window.Plotly.react(made.plot, data, { ...layout, height: made.plot.clientHeight, ...themed(board.root, layout) }, CONFIG);
}

function watchSight(made) {
  const watching = new IntersectionObserver((entries) => {
    made.inSight = entries.at(-1).isIntersecting;
    if (made.inSight) paint(made);
  }, { rootMargin: "80px" });
  watching.observe(made.box);
}
