// The What-if page: knobs on a recorded step. A slider moves at once; Python recomputes, and what comes back is drawn.
// One question is under way at a time: while it is, only the newest position of the sliders is kept for the next.
import { element, fill, number, signed } from "./dom.js";
import { buildKnobs, drawKnobs } from "./whatif_knobs.js";
import { shortcuts } from "./keys.js";
import { buildLessons, drawDistributions, drawLessons } from "./whatif_charts.js";
import { buildTokens, drawTokens } from "./whatif_tokens.js";
import { watchTheme } from "./curves.js";

const PATIENCE_MS = 3000; // an answer that has not come by then is not waited for any longer

export function draw(board) {
  const data = board.data.whatif, page = board.local.whatif ??= build(board, data);
  watchTheme(board, () => draw(board));
  if (page.waiting && data.told === page.count) page.waiting = false;
  if (!page.waiting && !page.pending) page.look = looked(data.query);
  drawHead(page, data);
  const shown = !data.missing;
  page.main.hidden = !shown;
  if (shown) {
    drawKnobs(board, page, data);
    drawFigures(page, data.figures);
    drawTokens(board, page, data);
    drawDistributions(board, page, data);
    drawLessons(board, page, data);
  }
  page.section.dataset.told = data.told;
  flush(board);
}

// A choice: a change of the look. `settled` is false while a slider is on its way.
export function choose(board, change, settled = true) {
  const page = board.local.whatif;
  Object.assign(page.look, change);
  page.settled = settled;
  page.pending = true;
  flush(board);
}

function flush(board) {
  const page = board.local.whatif, now = performance.now();
  if (!page.pending || (page.waiting && now - page.sent < PATIENCE_MS)) return;
  Object.assign(page, { pending: false, waiting: true, sent: now, count: page.count + 1 });
  board.send("look", { number: page.count, settled: page.settled, query: asked(page.look) });
}

// The look as Python and the address have it, and back.
export function asked({ step, sample, token, example, turned }) {
  const what = Object.entries(turned).map(([name, x]) => `${name}:${typeof x === "boolean" ? (x ? "on" : "off") : x}`).join(",");
  return { sample: String(sample), token: String(token), ...(step === null ? {} : { step: String(step) }), ...(example ? { example: "notebook" } : {}), ...(what ? { what } : {}) };
}

function looked({ step, sample, token, example, what }) {
  const turned = {};
  for (const part of (what ?? "").split(",").filter(Boolean)) {
    const [name, text] = part.split(":");
    turned[name] = text === "on" ? true : text === "off" ? false : Number(text);
  }
  return { step: step === undefined ? null : Number(step), sample: Number(sample), token: Number(token), example: Boolean(example), turned };
}

function build(board, data) {
  const section = board.parts.whatif, page = { section, look: looked(data.query), count: data.told, pending: false, waiting: false };
  board.local.whatif = page;
  section.append(buildHead(board, page));
  page.main = element("div", "main");
  const side = element("div", "side"), body = element("div", "body");
  page.main.append(side, body);
  section.append(page.main);
  buildKnobs(board, page, side);
  page.figures = buildFigures(body);
  buildLessons(board, page, body, "distributions");
  buildTokens(board, page, body);
  buildLessons(board, page, body, "lessons");
  return page;
}

function buildHead(board, page) {
  const head = element("div"), header = element("header"), title = element("h2");
  const button = (text, tip, act) => {
    const made = element("button", "", text);
    made.dataset.tip = tip;
    made.addEventListener("click", act);
    header.append(made);
    return made;
  };
  header.append(title, element("span", "grow"));
  const go = (name) => { if (page.data[name] !== null) choose(board, { step: page.data[name], example: false }); };
  const act = {
    earlier: () => go("before"),
    later: () => go("after"),
    newest: () => choose(board, { step: null, example: false }),
    sample: (by) => { if (page.data.sample) choose(board, { sample: (page.data.sample.index + by + page.data.sample.count) % page.data.sample.count, token: 0 }); },
    token: (by) => { const length = page.data.sample?.texts.length; if (length) choose(board, { token: Math.max(0, Math.min(length - 1, page.data.sample.token + by)) }); },
  };
  page.act = act;
  const made = {
    title,
    earlier: button("‹ Earlier step", "The step before that has its tokens. Key: [", act.earlier),
    later: button("Later step ›", "The next step that has its tokens. Key: ]", act.later),
    newest: button("Follow the newest", "Go to the newest step and stay with it as the run goes on; knobs, sample and token stay. Key: G", act.newest),
    example: button("", "Four responses whose values, advantages and returns the tutorial notebook prints.", () => choose(board, { example: !page.look.example, sample: 0, token: 0, turned: {} })),
    trouble: element("div", "notice bad"),
    missing: element("div", "notice"),
  };
  made.nearest = element("button", "", "");
  made.nearest.addEventListener("click", () => choose(board, { step: page.data.nearest }));
  made.why = element("span");
  made.missing.append(made.why, made.nearest);
  header.append(shortcuts(board, page.section, "Keys: J K sample, [ ] step, ← → token, G newest, ? help", [
    [["J"], "Next sample", () => act.sample(1)],
    [["K"], "Previous sample", () => act.sample(-1)],
    [["→"], "Next token", () => act.token(1)],
    [["←"], "Previous token", () => act.token(-1)],
    [["]"], "Next step", act.later],
    [["["], "Previous step", act.earlier],
    [["G"], "Follow the newest step", act.newest],
  ]));
  head.append(header, made.trouble, made.missing);
  page.head = made;
  return head;
}

function drawHead(page, data) {
  page.data = data;
  const { head } = page;
  fill(head.title, data.example ? "The notebook's example with other knobs" : data.step === null ? "What if" : `Step ${data.step}${data.run ? ` of ${data.run}` : ""} with other knobs`);
  head.earlier.disabled = data.before === null;
  head.later.disabled = data.after === null;
  head.newest.disabled = data.newest === null || (data.following && !data.example);
  fill(head.example, data.example ? "Back to the run" : "Load the notebook's example");
  head.trouble.hidden = !data.problems.length;
  fill(head.trouble, data.problems.length ? `Left out, because that cannot be:\n${data.problems.join("\n")}` : "");
  head.missing.hidden = !data.missing;
  fill(head.why, data.missing ? `${data.missing} ` : "");
  head.nearest.hidden = !data.missing || data.nearest === null;
  fill(head.nearest, head.nearest.hidden ? "" : `Show step ${data.nearest}`);
}

const percent = (x) => `${(100 * x).toFixed(Math.abs(x) < 0.0995 ? 1 : 0).replace("-", "−")} %`;
const WRITTEN = { signed, number, percent: (x) => (x === null ? "–" : percent(x)) };

function buildFigures(body) {
  const table = element("table", "figures"), head = element("tr"), rows = element("tbody");
  for (const label of ["", "in the run", "with these knobs", "difference"]) head.append(element("th", "", label));
  const top = element("thead");
  top.append(head);
  table.append(top, rows);
  body.append(table);
  return { rows, was: head.children[1], cells: new Map() };
}

function drawFigures(page, figures) {
  const made = page.figures;
  fill(made.was, page.data.example ? "in the notebook" : "in the run");
  const labels = figures.map(({ label }) => label);
  if (made.labels !== labels.join()) {
    made.labels = labels.join();
    made.rows.replaceChildren(...figures.map(({ label, about }) => {
      const row = element("tr"), name = element("th", "", label), cells = ["was", "now", "by"].map((kind) => element("td", `number ${kind}`));
      name.dataset.tip = about;
      name.tabIndex = 0;
      row.dataset.figure = label;
      row.append(name, ...cells);
      made.cells.set(label, cells);
      return row;
    }));
  }
  for (const { label, was, now, kind } of figures) {
    const [first, second, third] = made.cells.get(label), text = WRITTEN[kind], by = was === null || now === null ? null : now - was;
    fill(first, text(was));
    fill(second, text(now));
    const same = by !== null && Math.abs(by) <= 1e-6 * Math.max(Math.abs(was), 1e-3);
    fill(third, by === null ? "–" : same ? "same" : kind === "percent" ? `${signed(100 * by)} points` : signed(by));
    third.classList.toggle("moved", by !== null && !same);
  }
}
