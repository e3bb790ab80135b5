// Search in the step's texts, by words or by sample number.
import { h, redrawn } from "../lib/dom.js";
import { signed } from "../lib/format.js";

/**
 * @import { TokensAnswer } from "../lib/payloads"
 * @import { ChangeView, Shown } from "./view_state.js"
 */

const MOST_HITS = 40;

/** @param {() => void} oninput */
export function buildSearch(oninput) {
  const input = h("input", {
    type: "search",
    placeholder: "words, or a sample's number",
    "aria-label": "Search the texts of this step",
    oninput,
  });
  return { input, hits: h("div", { class: "hits" }) };
}

/**
 * @param {ReturnType<typeof buildSearch>} search
 * @param {Shown} shown
 * @param {ChangeView} changeView
 */
export function drawSearch({ input, hits }, { run, page, batch }, changeView) {
  const wanted = input.value.trim().toLowerCase();
  const chosen = page.look.sample;
  redrawn(hits, [run, page.step, wanted, chosen], () => {
    const found = hitsIn(batch.samples, wanted);
    if (!found.length) return [h("p", { class: "quiet" }, "No text of this step has that.")];
    const rest = found.length - MOST_HITS;
    return [
      ...found.slice(0, MOST_HITS).map((hit) => hitButton(hit, hit.index === chosen, changeView)),
      rest > 0 && h("p", { class: "quiet" }, `and ${rest} more`),
    ];
  });
}

/** @typedef {{index: number, text: string, score: number}} Hit */

/**
 * The samples that contain the words or have that number.
 * @param {TokensAnswer["samples"]} samples
 * @param {string} wanted  in lower case
 * @returns {Hit[]}
 */
export function hitsIn(samples, wanted) {
  const index = /^\d+$/.test(wanted) ? Number(wanted) : -1;
  return samples
    .map(([query, response, score], i) => ({ index: i, text: query + response, score }))
    .filter((hit) => hit.index === index || hit.text.toLowerCase().includes(wanted));
}

/**
 * @param {Hit} hit
 * @param {boolean} isChosen
 * @param {ChangeView} changeView
 */
function hitButton({ index, text, score }, isChosen, changeView) {
  return h(
    "button",
    { class: isChosen ? "hit chosen" : "hit", onclick: () => changeView({ sample: index, token: 0 }) },
    h("span", { class: "number" }, signed(score)),
    h("span", { class: "text" }, text),
  );
}
