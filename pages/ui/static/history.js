// The run's history, newest first: what was changed, paused, kept or remarked after which step; edits can be taken back.
import { ask } from "./board.js";
import { element, fill } from "./dom.js";

export function drawHistory(board, history) {
  const { local, parts } = board;
  local.history ??= build(board, parts.history);
  const made = local.history;
  fill(made.title, history.title);
  made.problem.hidden = !history.problem;
  fill(made.problem, history.problem ?? "");
  made.form.hidden = !history.writable;
  fill(made.pin, `Pin a note to step ${noteStep(board)}`);
  const fingerprint = JSON.stringify([board.data.run.id, history.items]);
  if (made.fingerprint === fingerprint) return;
  made.fingerprint = fingerprint;
  made.rows.replaceChildren(...(history.items.length ? history.items.map((item) => row(board, item))
    : [element("div", "none", "Edits, pauses, notes and checkpoints appear here, and as markers on the charts.")]));
}

// A note belongs to the step that is looked at: that of the pinned sample, else the newest.
const noteStep = ({ data }) => data.batch?.pinned ? data.batch.pinned.step : data.history.step;

function build(board, section) {
  const header = element("header"), title = element("h2"), form = element("form", "note"), text = element("input"), pin = element("button");
  text.type = "text";
  text.placeholder = "What did you see?";
  text.maxLength = 2000;
  text.setAttribute("aria-label", "A note on this step");
  form.append(text, pin);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!text.value.trim()) return;
    ask(board, { kind: "note", step: noteStep(board), text: text.value });
    text.value = "";
  });
  const rows = element("div", "rows"), problem = element("div", "refusal");
  problem.setAttribute("role", "alert");
  header.append(title, element("span", "grow"), form);
  section.append(header, problem, rows);
  return { title, form, pin, rows, problem };
}

function row(board, item) {
  const made = element("div", "happening");
  made.dataset.kind = item.kind;
  made.append(element("span", "number quiet", item.step < 0 ? "before" : `step ${item.step}`), element("span", "kind quiet", item.kind), element("span", "text", item.text));
  if (item.undo) {
    const undo = element("button", "", "Undo");
    undo.dataset.tip = "Ask for the old values again, at the next step.";
    undo.addEventListener("click", () => ask(board, { kind: "undo", number: item.number }));
    made.append(undo);
  }
  return made;
}
