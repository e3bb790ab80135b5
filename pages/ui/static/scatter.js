// The whole batch: a point a token, its ratio against its whitened advantage, and how many tokens are in which case of the clip.
import { place, themed } from "./curves.js";
import { HOVERS, element, fill, number, signed } from "./dom.js";
import { visible } from "./tokens.js";

const BLUE = "#0072B2", VERMILION = "#D55E00", CLIP = "#CC79A7", GREY = "#8c8c8c";
// By case: colour and symbol. A cross is a token whose gradient is cut.
const LOOKS = [[GREY, "circle"], [BLUE, "triangle-down"], [BLUE, "circle"], [CLIP, "x"], [CLIP, "x"], [VERMILION, "circle"], [VERMILION, "triangle-up"]];
const CONFIG = { displaylogo: false, responsive: false, displayModeBar: HOVERS && "hover", modeBarButtonsToRemove: ["sendChartToCloud", "resetScale2d"] };
const MOST_CHOSEN = 60;

export function drawScatter(board, made, data, choose) {
  if (!made.plot) {
    Object.assign(made, build(made.root));
    (board.local.charts ??= new Map()).set("scatter", { plot: made.plot }); // where a board that is left finds what to clear away
  }
  made.choose = choose;
  const { scatter, look } = data;
  fill(made.title, data.epochs ? `The whole batch in epoch ${look.epoch + 1}: ${scatter.ratio.length} tokens, a point each` : "The whole batch");
  const unreached = scatter.unreached ? ` The update never came to ${scatter.unreached} tokens in this epoch.` : "";
  fill(made.about, `Shaded: where the clip binds and the gradient is cut. The lines are 1 − ${number(data.cliprange)} and 1 + ${number(data.cliprange)}. The view holds 99 of 100 points; a double-click shows all.${unreached}`);
  const style = getComputedStyle(board.root), batch = JSON.stringify([board.data.run.id, data.step, look.epoch]);
  if (made.batch !== batch) { made.batch = batch; list(made, data, []); table(made, scatter); }
  const fingerprint = JSON.stringify([batch, look.sample, look.token, style.color]);
  if (made.fingerprint === fingerprint) return;
  made.fingerprint = fingerprint;
  const layout = figure(data, batch);
  window.Plotly.react(made.plot, [...points(scatter), ...chosen(scatter, look)], { ...layout, ...themed(board.root, layout, null) }, CONFIG);
  if (made.linked) return;
  made.linked = true;
  made.plot.on("plotly_click", ({ points: [{ customdata }] }) => made.choose(customdata[0], customdata[1]));
  made.plot.on("plotly_selected", (event) => list(made, board.data.microscope, (event?.points ?? []).map(({ customdata }) => customdata[2]).filter((i) => i !== undefined)));
  made.plot.on("plotly_deselect", () => list(made, board.data.microscope, []));
}

function build(root) {
  const title = element("h2"), about = element("p", "quiet"), columns = element("div", "columns"), plot = place();
  const side = element("div", "side"), counts = element("table"), heading = element("h2"), chosen = element("div", "hits");
  side.append(element("h2", "", "Tokens in each case"), counts, heading, chosen);
  columns.append(plot, side);
  root.append(title, about, columns);
  return { title, about, plot, counts, heading, chosen };
}

// One trace a case, so that the legend names them.
function points({ ratio, advantage, case: cases, sample, position, text, cases: named }) {
  return named.flatMap(({ name }, place) => {
    const rows = cases.flatMap((one, i) => (one === place ? [i] : []));
    if (!rows.length) return [];
    const [color, symbol] = LOOKS[place];
    return [{
      type: "scatter", mode: "markers", name, x: rows.map((i) => ratio[i]), y: rows.map((i) => advantage[i]), marker: { color, symbol, size: symbol === "x" ? 7 : 6, opacity: 0.7 },
      customdata: rows.map((i) => [sample[i], position[i], i]), text: rows.map((i) => escaped(text[i])),
      hovertemplate: "%{text}, sample %{customdata[0]}<br>ratio %{x:.3f}, advantage %{y:.3~g}<extra></extra>",
    }];
  });
}

// plotly.js reads a few tags in texts; a token must not be any.
const escaped = (text) => visible(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;");

// The chosen sample's tokens are ringed; the chosen token twice.
function chosen({ ratio, advantage, sample, position }, look) {
  const rows = sample.flatMap((one, i) => (one === look.sample ? [i] : []));
  const ring = { type: "scatter", mode: "markers", hoverinfo: "skip", x: rows.map((i) => ratio[i]), y: rows.map((i) => advantage[i]), name: "this sample",
    marker: { symbol: "circle-open", color: GREY, size: rows.map((i) => (position[i] === look.token ? 18 : 12)), line: { width: 2 } } };
  return [{ ...ring, customdata: rows.map((i) => [sample[i], position[i]]) }];
}

function figure({ cliprange, scatter }, batch) {
  const low = 1 - cliprange, high = 1 + cliprange, far = 1.15 * spread(scatter.ratio.map((x) => x - 1));
  const edge = (x) => ({ type: "line", x0: x, x1: x, y0: 0, y1: 1, yref: "paper", line: { color: CLIP, width: 1.5, dash: "dot" } });
  const cut = (x0, x1, y0, y1) => ({ type: "rect", x0, x1, y0, y1, fillcolor: CLIP, opacity: 0.12, line: { width: 0 }, layer: "below" });
  const tall = 1.15 * spread(scatter.advantage), wide = Math.max(far, 1.5 * cliprange, 0.02);
  return {
    height: 420, margin: { l: 50, r: 12, t: 30, b: 44 }, dragmode: "select", hovermode: "closest", uirevision: batch, selectionrevision: batch,
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 11 } },
    xaxis: { title: { text: "ratio, new over old" }, range: [Math.max(-0.05, 1 - wide), 1 + wide], zeroline: false }, yaxis: { title: { text: "whitened advantage" }, range: [-tall, tall], zeroline: true },
    shapes: [edge(low), edge(high), cut(high, 1 + 20 * wide, 0, 20 * tall), cut(1 - 20 * wide, low, -20 * tall, 0)],
  };
}

// Where 99 of 100 points lie: a few far out must not press the rest together. Double-click shows them all.
const spread = (values) => values.map(Math.abs).sort((a, b) => a - b)[Math.floor(0.99 * (values.length - 1))] || 1;

function table({ counts }, { cases, ratio }) {
  const head = element("tr");
  head.append(...["case", "tokens", "share", "gradient"].map((label) => element("th", "", label)));
  counts.replaceChildren(head, ...cases.map(({ name, count, cut }) => {
    const row = element("tr"), share = ratio.length ? `${((100 * count) / ratio.length).toFixed(1)} %` : "–";
    row.append(element("td", "", name === "none" ? "advantage zero" : name), element("td", "number", count), element("td", "number", share), element("td", cut ? "cut" : "", cut ? "cut" : name === "none" ? "none" : "passes"));
    return row;
  }));
}

function list(made, { scatter }, rows) {
  fill(made.heading, rows.length ? `${rows.length} tokens selected` : "Selected tokens");
  if (!rows.length) return made.chosen.replaceChildren(element("p", "quiet", "Drag a box over points to list their tokens."));
  made.chosen.replaceChildren(...rows.slice(0, MOST_CHOSEN).map((i) => {
    const hit = element("button", "hit"), { sample, position, text, ratio, advantage } = scatter;
    hit.append(element("span", "text", visible(text[i])), element("span", "number quiet", `sample ${sample[i]}, ratio ${number(ratio[i])}, advantage ${signed(advantage[i])}`));
    hit.addEventListener("click", () => made.choose(sample[i], position[i]));
    return hit;
  }), ...(rows.length > MOST_CHOSEN ? [element("p", "quiet", `and ${rows.length - MOST_CHOSEN} more`)] : []));
}
