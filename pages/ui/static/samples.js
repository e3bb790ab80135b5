// The batch's continuations, sortable and searchable, and the pairs "then and now".
import { element, fill, signed, number } from "./dom.js";
import { pin } from "./board.js";
import { drawTokens } from "./tokens.js";

const SORTS = { "score": ["highest score", (a, b) => b.score - a.score], "worst": ["lowest score", (a, b) => a.score - b.score],
  "kl": ["largest KL", (a, b) => b.kl - a.kl], "length": ["longest", (a, b) => b.length - a.length], "index": ["batch order", (a, b) => a.index - b.index] };

export function drawPairs({ parts, local }, pairs) {
  local.pairs ??= (() => {
    const header = element("header"), title = element("h2"), grid = element("div", "pairs");
    header.append(title);
    parts.pairs.classList.remove("pairs");
    parts.pairs.append(header, grid);
    return { title, grid };
  })();
  fill(local.pairs.title, pairs.title);
  const fingerprint = JSON.stringify(pairs.items);
  if (local.pairs.fingerprint === fingerprint) return;
  local.pairs.fingerprint = fingerprint;
  local.pairs.grid.replaceChildren(...(pairs.items.length ? pairs.items.map(pair)
    : [1, 2, 3].map(() => element("div", "pair quiet", "A held-out opening and its continuation appear here at the next evaluation."))));
}

function pair({ query, then, now }) {
  const box = element("div", "pair");
  box.append(element("div", "text query", `${query} …`));
  for (const [when, side] of [["then", then], ["now", now]]) {
    if (!side) continue;
    const row = element("div", "row"), text = element("span", "text");
    text.append(...pieces(side));
    row.append(element("span", "when", when), text, element("span", "number", signed(side.score)));
    box.append(row);
  }
  return box;
}

// A text in pieces, those that are new marked.
export const pieces = (side) => side.pieces.map(([piece, fresh]) => element("span", fresh ? "new" : "", piece));

export function drawSamples(board, batch) {
  const { local, parts } = board;
  local.list ??= build(board, parts.samples);
  const list = local.list;
  if (!batch) {
    fill(list.title, "Continuations");
    list.fingerprint = null;
    list.rows.replaceChildren(element("div", "none", "The batch's continuations appear here after the first step."));
    return;
  }
  fill(list.title, batch.title);
  list.follow.hidden = !batch.pinned;
  const shown = ordered(batch, local);
  const chosen = chosenSample(board, batch);
  const fingerprint = JSON.stringify([board.data.run.id, batch.step, local.sort, local.search, chosen]);
  if (list.fingerprint === fingerprint) return;
  list.fingerprint = fingerprint;
  const top = list.rows.scrollTop;
  list.rows.replaceChildren(...(shown.length ? shown.map((sample) => row(board, batch, sample, sample.index === chosen))
    : [element("div", "none", `No continuation of this batch contains “${local.search}”. Clear the search to see all ${batch.samples.length}.`)]));
  list.rows.scrollTop = top;
}

// The chosen sample: the pinned one, else the first of the list as it is sorted.
export function chosenSample(board, batch) {
  if (batch.samples.some(({ index }) => index === batch.pinned?.sample)) return batch.pinned.sample;
  const shown = ordered(batch, board.local);
  return (shown[0] ?? batch.samples[0])?.index;
}

function ordered(batch, local) {
  const wanted = local.search.toLowerCase();
  return batch.samples.filter((s) => !wanted || (s.query + s.response).toLowerCase().includes(wanted)).sort(SORTS[local.sort][1]);
}

function build(board, section) {
  section.classList.remove("samples");
  const header = element("header"), title = element("h2"), search = element("input"), sort = element("select"), follow = element("button", "", "Follow the newest step");
  search.type = "search";
  search.placeholder = "Search the texts";
  search.setAttribute("aria-label", "Search the continuations");
  sort.setAttribute("aria-label", "Sort the continuations");
  for (const [value, [label]] of Object.entries(SORTS)) { const option = element("option", "", label); option.value = value; sort.append(option); }
  const redraw = () => { if (board.data.batch) redrawAll(); };
  const redrawAll = () => { drawSamples(board, board.data.batch); drawTokens(board, board.data.batch); };
  search.addEventListener("input", () => { board.local.search = search.value; redraw(); });
  sort.addEventListener("change", () => { board.local.sort = sort.value; redraw(); });
  follow.addEventListener("click", () => pin(board, -1, -1));
  header.append(title, element("span", "grow"), follow, search, sort);
  const head = element("div", "samples head"), labels = element("div", "sample"), rows = element("div", "samples");
  for (const label of ["#", "score", "KL", "query, then response"]) labels.append(element("span", label.length < 6 ? "number" : "", label));
  head.append(labels);
  rows.tabIndex = 0;
  section.append(header, head, rows);
  return { title, rows, follow };
}

function row(board, batch, sample, chosen) {
  const made = element("div", chosen ? "sample chosen" : "sample"), text = element("span", "text");
  made.setAttribute("role", "button");
  made.dataset.sample = sample.index;
  made.tabIndex = 0;
  text.append(element("span", "query", sample.query), element("span", "response", sample.response));
  if (sample.ended) { const end = element("span", "quiet", " ∎"); end.dataset.tip = "The policy ended its text here."; text.append(end); }
  made.append(element("span", "number quiet", sample.index), element("span", "number", signed(sample.score)), element("span", "number quiet", number(sample.kl)), text);
  const choose = () => pin(board, batch.step, sample.index);
  made.addEventListener("click", choose);
  made.addEventListener("keydown", (event) => event.key === "Enter" && choose());
  return made;
}
