// The live board: everything on the page that changes while a run goes on, kept in one piece of DOM.
// Python sends one payload; each part updates what differs. Text from models is only ever set as textContent.
import { drawCharts } from "./curves.js";
import { drawPrompts } from "./prompts.js";
import { drawPairs, drawSamples } from "./samples.js";
import { drawHistory } from "./history.js";
import { drawTokens } from "./tokens.js";
import { element, fill, tips } from "./dom.js";

// Pages with a module of their own, which is fetched when the page is first opened.
const PAGES = ["playground", "microscope", "walk", "whatif"];
const SKELETON = ["top", "notice", "headline", "charts", "pairs", "more", "samples", "tokens", "pinned", "history", ...PAGES];

export function render({ parentElement, data, setStateValue }) {
  const host = parentElement.querySelector(".ppo-container");
  const board = host.board ?? build(host);
  board.send = setStateValue;
  board.data = data;
  board.root.classList.toggle("example", Boolean(data.run?.example));
  drawTop(board, data.run);
  drawNotice(board, data.notice);
  if (data.only) for (const name of SKELETON) board.parts[name].hidden = name !== data.only;
  if (PAGES.includes(data.only)) import(`./${data.only}.js`).then((page) => page.draw(board));
  if (!data.only) drawBody(board, data);
  reportVisibility(board);
}

function build(host) {
  const root = element("div", "ppo-board");
  const parts = Object.fromEntries(SKELETON.map((name) => [name, element(name === "top" || name === "notice" ? "div" : "section", name)]));
  root.append(...Object.values(parts));
  host.replaceChildren(root);
  for (const old of boards) if (!old.root.isConnected) dispose(old);
  host.board = { root, parts, local: { view: "reward", sort: "score", search: "" } };
  tips(host.board);
  boards.add(host.board);
  return host.board;
}

// Boards of pages that were left: without this each visit would keep its plots and its last payload.
const boards = new Set();
document.addEventListener("visibilitychange", () => boards.forEach((board) => board.root.isConnected && reportVisibility(board)));

function dispose(board) {
  boards.delete(board);
  board.local.watching?.disconnect();
  board.local.sizes?.disconnect();
  for (const { plot } of board.local.charts?.values() ?? []) window.Plotly.purge(plot);
}

// The chosen sample goes into the address. The count makes every click a new value, so that none is taken for a repetition.
let clicks = 0;
export function pin(board, step, sample) {
  if (board.data.run.example) { board.local.pinned = step < 0 ? null : { step, sample }; drawBody(board, board.data); return; }
  board.send("pin", { run: board.data.run.id, step, sample, click: clicks++ });
}

// A request that Python answers: an edit back, a note.
export function ask(board, request) {
  board.send("ask", { run: board.data.run.id, click: clicks++, ...request });
}

// A hidden tab must cost the server nothing: it says so, and the page stops asking until it is seen again.
// Of a page's boards one says so, the top line: two messages in one batch would be taken for one fragment's.
function reportVisibility(board) {
  if (board.data.only && board.data.only !== "top") return;
  const hidden = document.visibilityState === "hidden";
  if (hidden === Boolean(board.data.hidden) || hidden === board.reported) return;
  board.reported = hidden;
  board.send("hidden", hidden);
}

function drawTop({ parts, local }, run) {
  if (!run?.name) return;
  local.top ??= (() => {
    const made = {
      name: element("span", "name"), preset: element("span", "quiet"), state: element("span", "state"),
      step: element("span", "number"), bar: element("div"), left: element("span", "quiet number"), machine: element("span", "quiet number right"),
    };
    const progress = element("div", "progress");
    progress.append(made.bar);
    parts.top.append(made.name, made.preset, made.state, made.step, progress, made.left, made.machine);
    return made;
  })();
  for (const part of ["name", "preset", "step", "left", "machine"]) fill(local.top[part], run[part]);
  fill(local.top.state, run.state);
  local.top.state.className = `state ${run.example ? "example" : run.state}`;
  local.top.bar.style.width = `${100 * run.share}%`;
}

function drawNotice({ parts }, notice) {
  parts.notice.hidden = !notice;
  if (!notice) return;
  parts.notice.className = `notice ${notice.bad ? "bad" : ""}`;
  const key = notice.text + notice.detail;
  if (parts.notice.shown === key) return;
  parts.notice.shown = key;
  parts.notice.replaceChildren(element("div", "text", notice.text));
  if (notice.detail) {
    const details = element("details");
    details.append(element("summary", "", "The whole error"), element("pre", "", notice.detail));
    parts.notice.append(details);
  }
}

function drawBody(board, data) {
  drawHeadline(board, data.headline);
  if (data.batch && data.run.example) data.batch.pinned = board.local.pinned;
  drawPairs(board, data.pairs);
  drawSamples(board, data.batch);
  drawTokens(board, data.batch);
  drawPrompts(board, data.prompts);
  drawHistory(board, data.history);
  drawCharts(board, data.charts);
}

function drawHeadline({ parts, local }, headline) {
  local.headline ??= headline.map(({ label, about }) => {
    const box = element("div", "figure"), name = element("div", "label", label), now = element("div", "now number"), change = element("div", "change number");
    name.append(aboutButton(label, about));
    box.append(name, now, change);
    parts.headline.append(box);
    return { name: name.firstChild, now, change };
  });
  headline.forEach(({ label, now, change }, i) => {
    fill(local.headline[i].name, label);
    fill(local.headline[i].now, now);
    fill(local.headline[i].change, change);
  });
}

export function aboutButton(label, about) {
  const button = element("button", "about", "?");
  button.setAttribute("aria-label", `About ${label}: ${about}`);
  button.dataset.tip = about;
  return button;
}
