// The Tokens page: one step of a run, one sample of it as a strip, one token's story, and the batch around them.
import { watchTheme } from "./curves.js";
import { element, fill, number, signed } from "./dom.js";
import { shortcuts } from "./keys.js";
import { drawScatter } from "./scatter.js";
import { drawStory } from "./story.js";
import { colour, visible } from "./tokens.js";

const SIGNED = new Set(["reward", "kl", "value", "advantage", "whitened", "return"]);
const BY_EPOCH = new Set(["ratio", "new_logprob", "clip"]);

export function draw(board) {
  const data = board.data.microscope, { local, parts } = board;
  local.microscope ??= build(board, parts.microscope);
  const made = local.microscope;
  if (!withBatch(board, made, data)) return;
  watchTheme(board, () => draw(board));
  // What was asked for last stands until Python has drawn it, so that keys pressed quickly add up.
  if (!made.wanted || made.wanted.click === data.echo || made.run !== board.data.run.id) made.wanted = { ...asked(data), click: data.echo };
  made.run = board.data.run.id;
  drawSteps(made, data);
  drawSample(board, made, data);
  drawStory(made.story, board.data.run.id, data, (epoch) => look(board, { epoch }));
  drawFinds(board, made, data);
  drawSearch(board, made, data);
  parts.microscope.dataset.shown = JSON.stringify(data.look);
  // The batch's thousands of points take the longest, so they come in the frame after the one that has the story.
  const turn = (made.turn = {});
  requestAnimationFrame(() => requestAnimationFrame(() => {
    if (made.turn !== turn || !board.root.isConnected) return;
    drawScatter(board, made.scatter, data, (sample, token) => look(board, { sample, token }));
    parts.microscope.dataset.points = data.step;
  }));
}

// The batch's texts and points come once; while what is looked at is in the same batch, Python leaves them out.
function withBatch(board, made, data) {
  if (data.batch) made.batch = { key: data.batch_key, ...data.batch };
  const { key, ...batch } = made.batch ?? {};
  if (key === data.batch_key) return Object.assign(data, batch);
  made.batch = null;
  made.wanted = { ...asked(data), click: data.echo };
  look(board, {});
  return null;
}

// What the payload answers, as it would be asked for.
const asked = ({ look, following, epoch_chosen }) => ({ ...look, step: following ? null : look.step, epoch: epoch_chosen ? look.epoch : null });

let clicks = 0;
function look(board, change) {
  const made = board.local.microscope;
  made.wanted = { ...made.wanted, ...change, run: board.data.run.id, has: made.batch?.key ?? "", click: `${Date.now()}-${clicks++}` };
  board.send("look", made.wanted);
}

function build(board, section) {
  const made = { steps: steps(board), sample: frame(board), finds: element("div", "finds"), story: { root: element("div", "story") }, scatter: { root: element("div", "batch") } };
  made.search = search(board);
  const side = element("aside"), columns = element("div", "columns"), main = element("div", "main");
  side.append(element("h2", "", "Where to look first"), made.finds, element("h2", "", "Search the texts"), made.search.input, made.search.hits);
  main.append(made.sample.root, made.story.root);
  columns.append(main, side);
  section.append(made.steps.root, columns, made.scatter.root);
  made.steps.root.append(shortcuts(board, section, "Keys: J K sample, [ ] step, ← → token, G newest, ? help", [
    [["J"], "Next sample", () => bySample(board, 1)],
    [["K"], "Previous sample", () => bySample(board, -1)],
    [["→"], "Next token", () => byToken(board, 1)],
    [["←"], "Previous token", () => byToken(board, -1)],
    [["]"], "Next step", () => byStep(board, 1)],
    [["["], "Previous step", () => byStep(board, -1)],
    [["G"], "Follow the newest step", () => look(board, { step: null })],
  ]));
  return made;
}

function steps(board) {
  const root = element("div", "steps"), before = element("button", "", "◀"), slider = element("input"), after = element("button", "", "▶");
  const label = element("h2"), newest = element("button", "", "Follow the newest"), missing = element("span", "missing");
  before.setAttribute("aria-label", "Previous step");
  after.setAttribute("aria-label", "Next step");
  slider.type = "range";
  slider.min = 0;
  slider.setAttribute("aria-label", "Step");
  before.addEventListener("click", () => byStep(board, -1));
  after.addEventListener("click", () => byStep(board, 1));
  slider.addEventListener("input", () => fill(label, `Step ${board.data.microscope.steps[slider.value]}`));
  slider.addEventListener("change", () => look(board, { step: board.data.microscope.steps[slider.value] }));
  newest.addEventListener("click", () => look(board, { step: null }));
  root.append(label, before, slider, after, newest, missing);
  return { root, slider, label, newest, missing };
}

function drawSteps({ steps: made }, data) {
  fill(made.label, `Step ${data.step}`);
  made.slider.max = data.steps.length - 1;
  if (document.activeElement !== made.slider || data.following) made.slider.value = data.steps.indexOf(data.step);
  fill(made.newest, data.following ? "Following the newest" : `Follow the newest, ${data.steps.at(-1)}`);
  made.newest.setAttribute("aria-pressed", String(data.following));
  fill(made.missing, data.missing);
}

// The next step that has tokens, from the one that was asked for last.
function byStep(board, by) {
  const { steps: kept, step } = board.data.microscope, from = board.local.microscope.wanted.step ?? step;
  const place = kept.indexOf(from) < 0 ? kept.indexOf(step) : kept.indexOf(from);
  look(board, { step: kept[Math.max(0, Math.min(kept.length - 1, place + by))] });
}

function bySample(board, by) {
  const last = board.data.microscope.samples.length - 1;
  look(board, { sample: Math.max(0, Math.min(last, board.local.microscope.wanted.sample + by)), token: 0 });
}

function byToken(board, by) {
  const { data: { microscope: data }, local: { microscope: made } } = board;
  const last = made.wanted.sample === data.look.sample ? data.sample.text.length - 1 : Infinity;
  look(board, { token: Math.max(0, Math.min(last, (made.wanted.token ?? 0) + by)) });
}

function frame(board) {
  const root = element("div", "sample"), head = element("header"), title = element("h2"), choice = element("select"), epoch = element("select");
  const before = element("button", "", "▲"), after = element("button", "", "▼"), about = element("p", "quiet"), strip = element("div", "strip"), grid = element("div", "epochs");
  before.setAttribute("aria-label", "Previous sample");
  after.setAttribute("aria-label", "Next sample");
  choice.setAttribute("aria-label", "What colours the tokens");
  epoch.setAttribute("aria-label", "Epoch of the update");
  before.addEventListener("click", () => bySample(board, -1));
  after.addEventListener("click", () => bySample(board, 1));
  choice.addEventListener("change", () => look(board, { colour: choice.value }));
  epoch.addEventListener("change", () => look(board, { epoch: epoch.value === "" ? null : Number(epoch.value) }));
  const scale = element("span", "scale"), low = element("span", "number"), high = element("span", "number");
  scale.append(low, element("i"), high);
  head.append(title, before, after, element("span", "grow"), choice, epoch, scale);
  root.append(head, about, strip, element("h2", "sub", "Ratio, epoch by epoch"), grid);
  return { root, title, choice, epoch, about, strip, grid, low, high };
}

function drawSample(board, { sample: made }, data) {
  const { sample, look: now, colours } = data, view = colours[now.colour], limit = data.limits[now.colour], text = SIGNED.has(now.colour) ? signed : number;
  const [query, , score] = data.samples[now.sample];
  fill(made.title, `Sample ${now.sample} of ${data.samples.length}: score ${signed(score)}`);
  options(made.choice, Object.entries(colours).map(([name, { label }]) => [name, label]), now.colour);
  const numbered = Array.from({ length: data.epochs }, (_, i) => [String(i), `epoch ${i + 1}`]);
  options(made.epoch, [["", "last epoch"], ...numbered], data.epoch_chosen ? String(now.epoch) : "");
  made.epoch.disabled = !data.epochs;
  fill(made.about, view.about);
  fill(made.low, text(view.centre - limit));
  fill(made.high, text(view.centre + limit));
  const fingerprint = JSON.stringify([board.data.run.id, data.step, now, getComputedStyle(board.root).color]);
  if (made.fingerprint === fingerprint) return;
  made.fingerprint = fingerprint;
  const focused = made.strip.contains(document.activeElement);
  made.strip.replaceChildren(element("span", "query", query), ...sample.text.map((piece, i) => token(board, data, i, piece, view, limit, text)));
  if (!sample.text.length) made.strip.append(element("span", "quiet", "This sample has no response token."));
  if (focused) made.strip.querySelector(".chosen")?.focus();
  made.grid.replaceChildren(...grid(board, data));
}

function options(select, entries, value) {
  const fingerprint = JSON.stringify(entries);
  if (select.fingerprint !== fingerprint) {
    select.fingerprint = fingerprint;
    select.replaceChildren(...entries.map(([name, label]) => { const option = element("option", "", label); option.value = name; return option; }));
  }
  if (select.value !== value) select.value = value;
}

function token(board, data, i, piece, view, limit, text) {
  const { sample, look: { colour: name, epoch, token: chosen } } = data;
  const x = BY_EPOCH.has(name) ? sample[name === "clip" ? "ratio" : name][epoch]?.[i] ?? null : sample[name][i];
  const [policy, value] = [sample.policy_clip[epoch]?.[i], sample.value_clip[epoch]?.[i]];
  const box = element("button", "token has-tip"), bound = (policy ? "P" : "") + (value ? "V" : "");
  box.append(element("b", "", visible(piece)), element("small", "", name === "clip" ? bound || "·" : x === null ? "–" : text(x)));
  box.style.background = name === "clip" ? (bound ? "color-mix(in srgb, var(--clip) 45%, transparent)" : "transparent") : colour(x, view.centre, limit);
  box.classList.toggle("clip", BY_EPOCH.has(name) && Boolean(policy));
  box.classList.toggle("chosen", i === chosen);
  box.setAttribute("aria-pressed", String(i === chosen));
  box.dataset.token = i;
  box.tip = () => describe(data, i);
  box.addEventListener("click", () => look(board, { token: i }));
  return box;
}

function describe({ sample: s, look: { epoch } }, i) {
  return [
    `“${visible(s.text[i])}”  token ${i + 1}, id ${s.id[i]}`,
    `log-probability ${number(s.old_logprob[i])}, reference ${number(s.ref_logprob[i])}, KL ${signed(s.kl[i])}`,
    `reward ${signed(s.reward[i])} = KL penalty ${signed(s.kl_penalty[i])} + score ${signed(s.score_share[i])}`,
    `value ${signed(s.value[i])}, advantage ${signed(s.advantage[i])}, whitened ${signed(s.whitened[i])}, return ${signed(s.return[i])}`,
    s.ratio.length ? `in epoch ${epoch + 1}: ratio ${number(s.ratio[epoch][i])}, value ${signed(s.new_value[epoch][i])}` : "the update made no gradient step",
  ].join("\n");
}

// A row an epoch, a column a token: the ratio drifting out of its band, with the clips marked.
function grid(board, data) {
  const { sample, cliprange, look: { epoch: shown, token: chosen } } = data;
  if (!data.epochs || !sample.text.length) return [element("p", "quiet", "The update made no gradient step on this sample.")];
  const table = element("table"), head = element("tr");
  head.append(element("th", "", "epoch"), ...sample.text.map((piece, i) => element("th", i === chosen ? "chosen" : "", visible(piece))));
  table.append(head, ...sample.ratio.map((row, epoch) => {
    const made = element("tr", epoch === shown ? "shown" : ""), label = element("th"), pick = element("button", "", `${epoch + 1}`);
    pick.addEventListener("click", () => look(board, { epoch }));
    label.append(pick);
    made.append(label, ...row.map((ratio, i) => cell(ratio, sample.policy_clip[epoch][i], sample.value_clip[epoch][i], cliprange, i === chosen)));
    return made;
  }));
  const missed = sample.ratio.some((row) => row.includes(null)) ? " –: the update ended before it came to that token in that epoch, because its KL had reached the limit (target_kl)." : "";
  const key = element("p", "quiet", `▲ above ${number(1 + cliprange)}, ▼ below ${number(1 - cliprange)}; P: the policy clip binds, so the token gives that epoch's policy loss no gradient; V: the value clip binds.${missed}`);
  return [table, key];
}

function cell(ratio, policy, value, cliprange, chosen) {
  const side = ratio === null ? "" : ratio > 1 + cliprange ? "▲" : ratio < 1 - cliprange ? "▼" : "";
  const made = element("td", chosen ? "number chosen" : "number", ratio === null ? "–" : `${ratio.toFixed(3)}${side}`);
  const bound = (policy ? "P" : "") + (value ? "V" : "");
  if (bound) made.append(element("b", "", bound));
  made.style.background = colour(ratio, 1, 2 * cliprange);
  return made;
}

function drawFinds(board, { finds }, data) {
  const fingerprint = JSON.stringify([board.data.run.id, data.step, data.finds, data.look.sample, data.look.token]);
  if (finds.fingerprint === fingerprint) return;
  finds.fingerprint = fingerprint;
  finds.replaceChildren(...data.finds.map(({ name, about, sample, position, number: x, unit }) => {
    const made = element("button", sample === data.look.sample && position === data.look.token ? "find chosen" : "find");
    made.dataset.tip = about;
    made.append(element("span", "", name), element("span", "number", unit ? `${unit} ${number(x)}` : signed(x)), element("small", "quiet", `sample ${sample}, token ${position + 1}`));
    made.addEventListener("click", () => look(board, { sample, token: position }));
    return made;
  }));
}

function search(board) {
  const input = element("input"), hits = element("div", "hits");
  input.type = "search";
  input.placeholder = "words, or a sample's number";
  input.setAttribute("aria-label", "Search the texts of this step");
  input.addEventListener("input", () => drawSearch(board, board.local.microscope, board.data.microscope));
  return { input, hits };
}

const MOST_HITS = 40;

function drawSearch(board, { search: { input, hits } }, data) {
  const wanted = input.value.trim().toLowerCase(), fingerprint = JSON.stringify([board.data.run.id, data.step, wanted, data.look.sample]);
  if (hits.fingerprint === fingerprint) return;
  hits.fingerprint = fingerprint;
  const found = data.samples.map(([query, response, score], i) => ({ i, text: query + response, score }))
    .filter(({ i, text }) => (/^\d+$/.test(wanted) && i === Number(wanted)) || text.toLowerCase().includes(wanted));
  if (!found.length) return hits.replaceChildren(element("p", "quiet", "No text of this step has that."));
  hits.replaceChildren(...found.slice(0, MOST_HITS).map(({ i, text, score }) => {
    const made = element("button", i === data.look.sample ? "hit chosen" : "hit");
    made.append(element("span", "number", signed(score)), element("span", "text", text));
    made.addEventListener("click", () => look(board, { sample: i, token: 0 }));
    return made;
  }), ...(found.length > MOST_HITS ? [element("p", "quiet", `and ${found.length - MOST_HITS} more`)] : []));
}
