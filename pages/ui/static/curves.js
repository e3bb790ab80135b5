// The curves: one plotly plot a chart, updated in place so that zoom, legend and hover stay, and linked along the steps.
import { aboutButton } from "./board.js";
import { HOVERS, element, fill } from "./dom.js";
import { promptsHome } from "./prompts.js";

export const CONFIG = { displaylogo: false, responsive: false, displayModeBar: HOVERS && "hover", doubleClick: "autosize",
  modeBarButtonsToRemove: ["sendChartToCloud", "select2d", "lasso2d", "resetScale2d"] };

// A plot's place: it is drawn anew when that changes its width, whatever made it; and a finger on it scrolls the page, as anywhere else.
export function place() {
  const plot = element("div", "plot");
  plot.addEventListener("touchstart", (event) => event.stopPropagation(), { capture: true, passive: true });
  widths.observe(plot);
  return plot;
}

const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) if (!target.isConnected) widths.unobserve(target);
  clearTimeout(widths.settled);
  widths.settled = setTimeout(() => {
    for (const plot of document.querySelectorAll(".ppo-board .plot.js-plotly-plot")) {
      if (plot._fullLayout && plot.clientWidth && Math.abs(plot._fullLayout.width - plot.clientWidth) > 1) window.Plotly.relayout(plot, { width: plot.clientWidth });
    }
  }, 80);
});

const FIRST = 3; // charts that stand above the pairs, on the first screen; the rest come below

export function drawCharts(board, charts) {
  const { local, parts } = board;
  if (local.run !== board.data.run.id) { local.run = board.data.run.id; local.range = null; }
  const home = (chart, i) => chart.key === "pinned" ? promptsHome(board) : i < FIRST ? parts.charts : parts.more;
  local.charts ??= new Map(charts.map((chart, i) => [chart.key, build(home(chart, i), chart)]));
  watchTheme(board, () => drawCharts(board, board.data.charts));
  const stale = charts.filter((chart) => {
    const made = local.charts.get(chart.key);
    fill(made.title, chart.title);
    made.wanted = JSON.stringify([chart.spec, local.range, local.theme]);
    return made.wanted !== made.fingerprint;
  });
  // The first screen's at once, the others one by one between whatever else the browser has to do: each takes 10 to 100 ms.
  local.stale = stale.filter((chart) => !(charts.indexOf(chart) < FIRST && paint(board, chart)));
  if (local.stale.length && !local.painting) local.painting = soon(() => paintNext(board));
}

const soon = (work) => (window.requestIdleCallback ? requestIdleCallback(work, { timeout: 200 }) : setTimeout(work, 20));

function paintNext(board) {
  const next = board.root.isConnected && board.local.stale.shift();
  if (next) paint(board, next);
  board.local.painting = next && board.local.stale.length ? soon(() => paintNext(board)) : null;
}

function paint(board, chart) {
  const made = board.local.charts.get(chart.key), { data, layout } = chart.spec;
  made.fingerprint = made.wanted;
  window.Plotly.react(made.plot, data, { ...layout, height: made.plot.clientHeight, ...themed(board.root, layout, board.local.range) }, CONFIG);
  if (!made.linked) link(board, made);
  return true;
}

function build(section, chart) {
  const box = element("div", "chart"), head = element("div", "title"), title = element("span"), plot = place();
  box.dataset.chart = chart.key;
  head.append(title, aboutButton(chart.key, chart.about));
  box.append(head, plot);
  section.append(box);
  return { title, plot };
}

// plotly.js knows no CSS variables, so the page's colours are read and put in.
export function themed(root, layout, range = null) {
  const style = getComputedStyle(root);
  const text = style.getPropertyValue("--st-text-color").trim() || style.color;
  const back = style.getPropertyValue("--st-background-color").trim() || "#fff";
  const axis = { gridcolor: `color-mix(in srgb, ${text} 10%, ${back})`, linecolor: text };
  const grid = resolve(root, axis.gridcolor);
  const themed = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: text, family: style.fontFamily, size: 12 },
    hoverlabel: { bgcolor: back, font: { color: text } },
    // Upright and see-through, since the legend lies along the top, and a touch screen shows the bar all the time.
    modebar: { orientation: "v", bgcolor: "rgba(0,0,0,0)", color: resolve(root, `color-mix(in srgb, ${text} 40%, ${back})`), activecolor: text } };
  for (const name of ["xaxis", "yaxis", "yaxis2"]) if (layout[name]) themed[name] = { ...layout[name], gridcolor: grid, linecolor: grid };
  if (range) themed.xaxis.range = range;
  return themed;
}

function resolve(root, colour) {
  const probe = element("i");
  probe.style.color = colour;
  root.append(probe);
  const computed = getComputedStyle(probe).color;
  probe.remove();
  const parts = computed.match(/[\d.]+/g)?.map(Number) ?? [128, 128, 128];
  return computed.startsWith("color(") ? `rgb(${parts.slice(0, 3).map((x) => Math.round(255 * x)).join(",")})` : computed;
}

// A change of theme redraws the charts from the last payload.
export function watchTheme(board, redraw) {
  const read = () => { const style = getComputedStyle(board.root); return style.getPropertyValue("--st-background-color") + style.getPropertyValue("--st-text-color"); };
  board.local.theme = read();
  if (board.local.watching) return;
  board.local.watching = new MutationObserver(() => {
    if (board.root.isConnected && read() !== board.local.theme) redraw();
  });
  board.local.watching.observe(document.documentElement, { attributes: true, subtree: true, attributeFilter: ["class", "style"] });
}

// Pointing at a step shows it on every chart; zooming along the steps zooms all.
function link(board, made) {
  made.linked = true;
  const others = () => [...board.local.charts.values()].filter((other) => other !== made && other.linked);
  made.plot.on("plotly_hover", (event) => {
    if (board.local.hovering) return;
    board.local.hovering = true;
    for (const other of others()) {
      try { window.Plotly.Fx.hover(other.plot, { xval: event.xvals?.[0] ?? event.points[0].x }); } catch { /* nothing drawn there yet */ }
    }
    board.local.hovering = false;
  });
  made.plot.on("plotly_unhover", () => others().forEach((other) => window.Plotly.Fx.unhover(other.plot)));
  made.plot.on("plotly_relayout", (change) => {
    const from = change["xaxis.range[0]"] ?? change["xaxis.range"]?.[0], to = change["xaxis.range[1]"] ?? change["xaxis.range"]?.[1];
    if (from === undefined && !change["xaxis.autorange"]) return;
    // The zoom is the board's own: it goes into every chart, and stays while the steps' axis grows.
    board.local.range = from === undefined ? null : [from, to];
    drawCharts(board, board.data.charts);
  });
}
