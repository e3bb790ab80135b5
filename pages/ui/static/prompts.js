// Pinned prompts: held-out openings that are continued with the same random numbers at every evaluation, so that what changes is the model's.
import { pieces } from "./samples.js";
import { element, fill, signed } from "./dom.js";

// The section's frame; the chart of their mean score goes into its left half.
export function promptsHome(board) {
  const { local, parts } = board;
  local.prompts ??= (() => {
    const header = element("header"), title = element("h2", "", "Pinned prompts: the same openings, the same random numbers, step after step");
    const body = element("div", "prompts"), chart = element("div", "pinned-chart"), right = element("div"), choice = element("select"), rows = element("div", "rows");
    choice.setAttribute("aria-label", "Choose a pinned prompt");
    choice.addEventListener("change", () => board.send("prompt", Number(choice.value)));
    header.append(title);
    right.append(choice, rows);
    body.append(chart, right);
    parts.pinned.append(header, body);
    return { chart, choice, rows };
  })();
  return local.prompts.chart;
}

export function drawPrompts(board, prompts) {
  promptsHome(board);
  const { choice, rows } = board.local.prompts;
  const fingerprint = JSON.stringify(prompts);
  if (rows.fingerprint === fingerprint) return;
  rows.fingerprint = fingerprint;
  if (choice.options.length !== prompts.queries.length || choice.options[0]?.textContent !== prompts.queries[0])
    choice.replaceChildren(...prompts.queries.map((query, i) => { const option = element("option", "", `${query} …`); option.value = i; return option; }));
  choice.value = String(prompts.chosen);
  choice.hidden = !prompts.queries.length;
  rows.replaceChildren(...(prompts.rows.length ? prompts.rows.map(({ step, side }) => {
    const row = element("div", "row"), text = element("span", "text");
    text.append(...pieces(side));
    row.append(element("span", "when number", step === 0 ? "untrained" : `step ${step}`), text, element("span", "number", signed(side.score)));
    return row;
  }) : [element("div", "none", "Their continuations appear here at each evaluation.")]));
}
