// The Update page: eleven stages of one update as a stepper, gone through by button, by key, or played slowly.
import { element, fill } from "./dom.js";
import { shortcuts } from "./keys.js";
import { longest, stageView } from "./walk_stage.js";

const STAGE_MS = 2500, SLOWEST_TOKEN_MS = 300, REVEAL_MS = 6000;
const REVEALED = ["sampling", "gae"];

export function draw(board) {
  const { local, data: { walk: payload } } = board, view = (local.walk ??= build(board));
  const kept = ["waiting", "error"].includes(payload.state) && view.payload?.run === payload.run && view.payload.samples.length;
  if (!kept) view.payload = payload; // the batch before stays in sight until there is another
  const { run, number, samples } = view.payload, job = `${run} ${number}`, place = `${job} ${samples.length}`;
  view.computed = payload.state === "done";
  if (view.job !== job) Object.assign(view, { job, stage: payload.stage, furthest: payload.stage });
  if (view.place !== place) Object.assign(view, { place, seen: new Set(), token: null, epoch: null });
  drawBar(view, payload);
  drawStage(view);
}

function build(board) {
  const section = board.parts.walk, bar = element("header", "bar"), body = element("div", "body"), stepper = element("ol", "stepper"), stage = element("div", "stage");
  const view = { board, stepper, stageBox: stage, said: element("div", "status"), stage: 1, furthest: 1, seen: new Set(), shown: Infinity };
  const button = (text, about, press) => { const made = element("button", "", text); made.dataset.tip = about; made.addEventListener("click", press); return made; };
  view.back = button("Back", "The stage before (←)", () => go(view, view.stage - 1));
  view.next = button("Next", "The next stage (→)", () => go(view, view.stage + 1));
  view.play = button("Play", "Goes through the stages slowly (space)", () => play(view, !view.playing));
  view.another = button("Another batch", "Other prompts, other luck, the same update", () => ask(view));
  view.count = Object.assign(element("input"), { type: "number", min: 1, max: 16, step: 1, value: 4 });
  view.count.setAttribute("aria-label", "Samples in the batch");
  view.count.dataset.tip = "Samples in the batch, 1 to 16.";
  view.count.addEventListener("keydown", (event) => event.key === "Enter" && ask(view));
  const samples = element("label", "quiet", "Samples ");
  samples.append(view.count);
  const hint = shortcuts(board, section, "Keys: ← → stage, space plays, ? help", [
    [["→"], "Next stage", () => go(view, Math.min(view.stage + 1, view.payload.stages.length))],
    [["←"], "Previous stage", () => go(view, Math.max(view.stage - 1, 1))],
    [["Space"], "Play and pause", () => play(view, !view.playing)],
  ]);
  bar.append(view.back, view.next, view.play, element("span", "grow"), samples, view.another, hint);
  body.append(stepper, stage);
  section.append(bar, view.said, body);
  // A button that was clicked would take the space bar for itself; one that was reached by Tab may.
  section.addEventListener("click", ({ detail, target }) => detail && target.closest("button")?.blur());
  return view;
}

function drawBar(view, payload) {
  const { state } = payload, said = [payload.said, payload.problem].filter(Boolean).join("\n");
  fill(view.said, state === "done" && payload.batch ? `${said} Batch ${payload.seed + 1}.` : said);
  view.said.className = `status ${state}${payload.problem ? " error" : ""}`;
  fill(view.another, payload.number === null || payload.number === undefined ? "Take an update apart" : "Another batch");
  view.another.classList.toggle("primary", state === "none");
  view.another.disabled = state === "empty" || state === "waiting";
  if (view.asked !== payload.number && payload.batch) { view.asked = payload.number; view.count.value = payload.batch; }
}

function drawStage(view) {
  const { payload } = view, { stages } = payload;
  view.back.disabled = view.stage <= 1;
  view.next.disabled = view.stage >= stages.length;
  fill(view.play, view.playing ? "Pause" : "Play");
  drawStepper(view, stages);
  const fingerprint = JSON.stringify([payload.run, payload.number, view.stage, stages[view.stage - 1], payload.samples.length]);
  if (view.fingerprint === fingerprint) return;
  const again = view.drawn === `${view.place} ${view.stage}`;
  Object.assign(view, { fingerprint, drawn: `${view.place} ${view.stage}` });
  const actions = {
    choose: (row, position) => { view.token = `${row}.${position}`; markChosen(view, row, position); report(view); },
    lookAt: (epoch) => { view.epoch = epoch; report(view); },
    show: (count) => { clearTimeout(view.revealing); reveal(view, count); },
  };
  view.article = stageView(payload, view.stage - 1, actions);
  view.stageBox.replaceChildren(view.article);
  if (again && view.shown < Infinity) reveal(view, view.shown); else begin(view);
}

function drawStepper(view, stages) {
  if (!view.steps) {
    view.steps = stages.map(({ name }, i) => {
      const line = element("li"), button = element("button"), mark = element("span", "mark");
      button.append(mark, element("span", "", name));
      button.addEventListener("click", () => go(view, i + 1));
      line.append(button);
      view.stepper.append(line);
      return { button, mark };
    });
  }
  view.steps.forEach(({ button, mark }, i) => {
    const now = i + 1 === view.stage, done = view.computed && i + 1 < view.furthest && !now;
    fill(mark, done ? "✓" : i + 1);
    button.classList.toggle("done", done);
    if (now) button.setAttribute("aria-current", "step"); else button.removeAttribute("aria-current");
  });
}

function markChosen(view, row, position) {
  for (const cell of view.article.querySelectorAll(".cell:not(.blank)")) {
    cell.classList.toggle("chosen", Number(cell.dataset.row) === row && Number(cell.dataset.position) === position && !cell.closest(".named"));
  }
}

function go(view, stage) {
  if (stage < 1 || stage > view.payload.stages.length) return play(view, false);
  view.stage = stage;
  view.furthest = Math.max(view.furthest, stage);
  drawStage(view);
  if (view.stageBox.getBoundingClientRect().top < 0) view.stageBox.scrollIntoView();
  report(view);
}

// What is looked at goes into the address.
function report({ board, payload, stage, token, epoch }) {
  const { state, number } = board.data.walk, job = state === "waiting" ? number : payload.number;
  if (payload.run) board.send("look", { run: payload.run, job, stage, token, epoch });
}

let asks = 0;
function ask(view) {
  const { payload, board } = view, shown = board.data.walk;
  if (view.another.disabled) return;
  const seed = Number.isInteger(shown.seed) ? Math.max(0, shown.seed + 1) : 0;
  board.send("ask", { run: payload.run, batch: Number(view.count.value), seed, stage: view.stage, ask: `${Date.now()}-${asks++}` });
}

// Tokens one by one, the first time that a stage which has them is entered; at once for those who want no motion.
function begin(view) {
  clearTimeout(view.revealing);
  const most = longest(view.payload), still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const slow = most && REVEALED.includes(view.payload.stages[view.stage - 1].key) && !view.seen.has(view.stage) && !still;
  view.seen.add(view.stage);
  reveal(view, slow ? 0 : most);
  const pace = Math.min(SLOWEST_TOKEN_MS, REVEAL_MS / most);
  const more = () => { if (!view.article.isConnected) return; reveal(view, view.shown + 1); if (view.shown < most) view.revealing = setTimeout(more, pace); };
  if (slow) view.revealing = setTimeout(more, pace);
  view.until = performance.now() + STAGE_MS + (slow ? most * pace : 0);
}

function reveal(view, count) {
  view.shown = count;
  view.article.show(count);
}

function play(view, on) {
  view.playing = on;
  clearTimeout(view.player);
  fill(view.play, on ? "Pause" : "Play");
  if (!on) return;
  if (view.stage >= view.payload.stages.length) go(view, 1);
  view.until = Math.max(view.until ?? 0, performance.now() + STAGE_MS);
  const look = () => {
    if (!view.article.isConnected || !view.playing) return;
    if (performance.now() >= view.until) { if (view.stage >= view.payload.stages.length) return play(view, false); go(view, view.stage + 1); }
    view.player = setTimeout(look, 100);
  };
  look();
}
