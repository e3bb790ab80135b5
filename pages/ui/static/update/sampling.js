// The sampling stage: each response as it is sampled, with the most likely tokens at the current position.
import { h } from "../lib/dom.js";
import { number, visible } from "../lib/format.js";
import { longest } from "./batch.js";
import { scrubber } from "./scrubber.js";

/**
 * @import { UpdateSample } from "../lib/payloads"
 * @import { Actions, Part, UpdatePage } from "./batch.js"
 */
/** @typedef {[text: string, chance: number | null, isDrawn: boolean]} Candidate */

const KEY =
  "Bars: the likeliest tokens at this place and how likely each was. The one that was drawn is marked ●.";

/**
 * @param {UpdatePage} page
 * @param {Actions} actions
 * @returns {Part}
 */
export function sampling(page, actions) {
  const slider = scrubber("Tokens drawn", longest(page), actions);
  const cards = page.samples.map((sample, row) => card(sample, (position) => actions.choose(row, position)));
  const boxes = h("div", { class: "cards" }, ...cards.map(({ root }) => root));
  return {
    root: h("div", {}, slider.root, boxes, h("p", { class: "quiet" }, KEY)),
    show: (count) => {
      slider.show(count);
      for (const { show } of cards) show(count);
    },
  };
}

/**
 * @param {UpdateSample} sample
 * @param {(position: number) => void} choose
 */
function card(sample, choose) {
  const { query, tokens, chances, ended } = sample;
  const pieces = tokens.map((token, t) => {
    const tip = `token ${t + 1}: probability ${number(100 * probability(chances[t]))} %`;
    return h("span", { class: "drawn", tip, onclick: () => choose(t) }, visible(token));
  });
  const end = h("span", { class: "quiet end" }, " ∎");
  const text = h("p", { class: "text" }, h("span", { class: "query" }, query), ...pieces, ended && end);
  const bars = h("div", { class: "bars" });
  /** @param {number} count */
  const show = (count) => {
    const newest = Math.min(count, tokens.length) - 1;
    pieces.forEach((piece, t) => {
      piece.classList.toggle("unseen", t > newest);
      piece.classList.toggle("newest", t === newest);
    });
    end.classList.toggle("unseen", newest < tokens.length - 1);
    bars.replaceChildren(...(newest < 0 ? [] : candidates(sample, newest).map(candidateLine)));
  };
  return { root: h("div", { class: "card" }, text, bars), show };
}

/** @param {number | null} logprob */
function probability(logprob) {
  return Math.exp(logprob ?? Number.NEGATIVE_INFINITY);
}

/**
 * The most likely tokens at a position, and the sampled one if it is not among them.
 * @param {UpdateSample} sample
 * @param {number} t
 * @returns {Candidate[]}
 */
function candidates({ tokens, chances, runners_up: runnersUp }, t) {
  const likeliest = runnersUp[t];
  if (likeliest.some(([, , isDrawn]) => isDrawn)) return likeliest;
  return [...likeliest, [tokens[t], probability(chances[t]), true]];
}

/** @param {Candidate} candidate */
function candidateLine([text, chance, isDrawn]) {
  const bar = h("i");
  bar.style.width = `${100 * (chance ?? 0)}%`;
  return h(
    "div",
    { class: isDrawn ? "candidate taken" : "candidate" },
    h("span", { class: "mark" }, isDrawn ? "●" : ""),
    h("span", { class: "word" }, visible(text)),
    h("span", { class: "track" }, bar),
    h("span", { class: "number" }, `${number(100 * (chance ?? 0))} %`),
  );
}
