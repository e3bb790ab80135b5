// What PPO did to each token: the chosen sample as a strip, the whole batch as a heatmap, in four views.
import { element, fill, number, signed } from "./dom.js";
import { pin } from "./board.js";
import { chosenSample } from "./samples.js";

const VIEWS = {
  reward: { label: "Reward", column: "reward", centre: 0, text: signed },
  advantage: { label: "Advantage", column: "whitened", centre: 0, text: signed },
  ratio: { label: "Ratio", column: "ratio", centre: 1, text: number, clip: "policy_clip" },
  value: { label: "Value", column: "new_value", centre: 0, text: signed, clip: "value_clip" },
};
const GAP = 1, TALLEST = 640;

export function drawTokens(board, batch) {
  const { local, parts } = board;
  local.tokens ??= build(board, parts.tokens);
  if (!batch) return clear(local.tokens);
  const made = local.tokens, view = VIEWS[local.view], chosen = chosenSample(board, batch);
  for (const [name, button] of Object.entries(made.buttons)) button.setAttribute("aria-pressed", String(name === local.view));
  fill(made.about, batch.about[local.view]);
  const limit = batch.limits[local.view];
  fill(made.high, view.text(view.centre + limit));
  fill(made.low, view.text(view.centre - limit));
  made.clips.hidden = !view.clip;
  const sample = batch.samples.find((one) => one.index === chosen) ?? batch.samples[0];
  fill(made.title, sample ? `Sample ${sample.index} of step ${batch.step}, token by token: score ${signed(sample.score)}` : "");
  const fingerprint = JSON.stringify([board.data.run.id, batch.step, chosen, local.view, getComputedStyle(board.root).color]);
  if (made.fingerprint === fingerprint) return;
  made.fingerprint = fingerprint;
  made.strip.replaceChildren(...strip(batch, sample, view, limit));
  heatmap(board, made, batch, view, limit, chosen);
}

function clear(made) {
  made.fingerprint = null;
  fill(made.title, "Token by token");
  fill(made.about, "What each token of a continuation earned appears here after the first step.");
  made.strip.replaceChildren();
  made.canvas.width = made.canvas.width;
  made.cells = new Map();
}

function build(board, section) {
  section.classList.remove("tokens");
  const header = element("header"), title = element("h2"), views = element("div", "views"), about = element("p", "quiet");
  const buttons = {};
  for (const [name, view] of Object.entries(VIEWS)) {
    const button = element("button", "", view.label);
    button.addEventListener("click", () => { board.local.view = name; if (board.data.batch) drawTokens(board, board.data.batch); });
    views.append(buttons[name] = button);
  }
  const scale = element("span", "scale"), low = element("span", "number"), high = element("span", "number"), clips = element("u", "", "clip binds");
  clips.dataset.tip = "Underlined: in at least one epoch of the update the clip changed this token's loss.";
  scale.append(low, element("i"), high, clips);
  header.append(title, element("span", "grow"), views, scale);
  const strip = element("div", "strip"), heat = element("div", "heat has-tip"), canvas = element("canvas");
  const under = element("header"), heading = element("h2", "", "The whole batch: a row a sample, a column a token");
  under.append(heading);
  under.style.margin = "20px 0 6px";
  heat.append(canvas);
  heat.tip = (event) => { const at = cellAt(board, event); return at === null ? "" : describe(board.data.batch, at); };
  heat.addEventListener("click", (event) => { const at = cellAt(board, event); if (at !== null) pin(board, board.data.batch.step, board.data.batch.tokens.sample[at]); });
  section.append(header, about, strip, under, heat);
  board.local.sizes = new ResizeObserver(() => { if (board.local.tokens && board.data.batch) { board.local.tokens.fingerprint = null; drawTokens(board, board.data.batch); } });
  board.local.sizes.observe(heat);
  return { title, buttons, about, strip, canvas, low, high, clips };
}

function strip(batch, sample, view, limit) {
  if (!sample) return [];
  const { tokens } = batch, made = [element("span", "query", sample.query)];
  tokens.sample.forEach((owner, i) => {
    if (owner !== sample.index) return;
    const x = tokens[view.column][i], box = element("span", "token has-tip");
    box.append(element("b", "", visible(tokens.text[i])), element("small", "", x === null ? "–" : view.text(x)));
    box.style.background = colour(x, view.centre, limit);
    box.classList.toggle("clip", Boolean(view.clip && tokens[view.clip][i]));
    box.tip = () => describe(batch, i);
    box.tabIndex = 0;
    made.push(box);
  });
  return made;
}

export const visible = (text) => text.replaceAll("\n", "⏎");

// One diverging scale: vermilion below the centre, blue above, the page's background at it; beyond the limit it saturates.
export function colour(x, centre, limit) {
  if (x === null || !limit) return "transparent";
  const share = Math.max(-1, Math.min(1, (x - centre) / limit));
  return `rgba(${share < 0 ? "213,94,0" : "0,114,178"},${(0.75 * Math.abs(share)).toFixed(3)})`;
}

function describe(batch, i) {
  const t = batch.tokens, epochs = (count) => `${count} of ${t.epochs_seen[i]} epochs`;
  return [
    `“${visible(t.text[i])}”  token ${t.position[i] + 1} of sample ${t.sample[i]}, id ${t.token_id[i]}`,
    `log-probability ${number(t.old_logprob[i])}, reference ${number(t.ref_logprob[i])}, KL ${signed(t.kl[i])}`,
    `reward ${signed(t.reward[i])} = KL penalty ${signed(t.kl_penalty[i])} + score ${signed(t.score_share[i])}`,
    `advantage ${signed(t.advantage[i])}, whitened ${signed(t.whitened[i])}`,
    `ratio ${number(t.ratio[i])}; policy clip binds in ${epochs(t.policy_clip[i])}`,
    `value ${signed(t.value[i])} → ${signed(t.new_value[i])}, return ${signed(t.return[i])}; value clip binds in ${epochs(t.value_clip[i])}`,
  ].join("\n");
}

// The heatmap is a canvas: 256 x 16 cells redrawn at every step would be 4 096 elements.
function heatmap(board, made, batch, view, limit, chosen) {
  const { tokens } = batch, columns = Math.max(1, ...tokens.position.map((p) => p + 1)), rows = batch.samples.length;
  const tall = Math.max(3, Math.min(10, TALLEST / rows)), gap = tall > 4 ? GAP : 0;
  const width = made.canvas.parentElement.clientWidth, height = rows * tall, ratio = window.devicePixelRatio || 1;
  made.canvas.width = width * ratio;
  made.canvas.height = height * ratio;
  made.canvas.style.height = `${height}px`;
  const context = made.canvas.getContext("2d"), cell = width / columns, style = getComputedStyle(board.root);
  context.scale(ratio, ratio);
  made.cells = new Map();
  tokens.sample.forEach((owner, i) => {
    const x = tokens.position[i] * cell, y = owner * tall;
    made.cells.set(owner * columns + tokens.position[i], i);
    context.fillStyle = style.getPropertyValue("--line") ? "rgba(128,128,128,.10)" : "#eee";
    context.fillRect(x, y, cell - GAP, tall - gap);
    context.fillStyle = colour(tokens[view.column][i], view.centre, limit);
    context.fillRect(x, y, cell - GAP, tall - gap);
    if (view.clip && tokens[view.clip][i]) { context.fillStyle = "#CC79A7"; context.fillRect(x, y + tall - gap - 2, cell - GAP, 2); }
    if (owner === chosen) { context.fillStyle = style.color; context.fillRect(x, y, cell - GAP, 1); context.fillRect(x, y + tall - gap - 1, cell - GAP, 1); }
  });
  made.geometry = { cell, columns, tall };
}

function cellAt(board, event) {
  const { canvas, cells, geometry } = board.local.tokens, box = canvas.getBoundingClientRect();
  if (!geometry || event.clientX === undefined) return null;
  const column = Math.floor((event.clientX - box.left) / geometry.cell), row = Math.floor((event.clientY - box.top) / geometry.tall);
  return cells.get(row * geometry.columns + column) ?? null;
}
