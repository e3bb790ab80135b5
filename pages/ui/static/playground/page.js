// Continuations of one opening by several models, side by side: each token tinted by how likely it was.
import { h, redrawn } from "../lib/dom.js";
import { number, signed } from "../lib/format.js";

/**
 * @import { Board } from "../lib/board.js"
 * @import { PlayedSample, PlayedSource, PlaygroundPayload } from "../lib/payloads"
 */

const KEY =
  "The number is the score of the whole text. The darker a token, the less likely it was; point at it for" +
  " its probability.";

/** @param {Board<PlaygroundPayload>} board */
export function draw({ parts, data }) {
  const { opening, sources } = data.playground;
  redrawn(parts.playground, data.playground, () => [
    h("p", { class: "quiet" }, KEY),
    h("div", { class: "columns" }, ...sources.map((source) => column(opening, source))),
  ]);
}

/**
 * @param {string} opening
 * @param {PlayedSource} source
 */
function column(opening, { name, samples }) {
  const mean = samples.reduce((sum, { score }) => sum + score, 0) / samples.length;
  const head = h("h2", {}, `${name}: mean score ${signed(mean)}`);
  return h("div", { class: "column" }, head, ...samples.map((sample) => played(opening, sample)));
}

/**
 * @param {string} opening
 * @param {PlayedSample} sample
 */
function played(opening, { score, tokens }) {
  const pieces = tokens.map(([token, chance]) => {
    const piece = h("span", { class: "drawn", tip: `probability ${number(100 * chance)} %` }, token);
    piece.style.setProperty("--surprise", String(surprise(chance)));
    return piece;
  });
  const text = h("span", { class: "text" }, h("span", { class: "query" }, opening), ...pieces);
  return h("div", { class: "played" }, h("span", { class: "number" }, signed(score)), text);
}

/**
 * Surprise in nats, as a fraction of the seven at which the tint is darkest.
 * @param {number} chance
 */
function surprise(chance) {
  return Math.min(1, -Math.log(Math.max(chance, 1e-6)) / 7);
}
