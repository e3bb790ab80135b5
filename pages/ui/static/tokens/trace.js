// One token's trace: what it earned, how that became its advantage, and what each epoch of the update did to
// it.
import { aboutButton, h, redrawn } from "../lib/dom.js";
import { number, signed, visible } from "../lib/format.js";
import { write } from "../lib/token_columns.js";
import { bandCurve } from "./band_curve.js";

/**
 * @import { Child } from "../lib/dom.js"
 * @import { Term, TokenTrace } from "../lib/payloads"
 * @import { ChangeView, Shown } from "./view_state.js"
 */

const MOST_TERMS = 64;
const NOT_REACHED = "The update ended before it came to this token: the update KL limit was reached.";
const RESTRICTED =
  "Top-k or top-p restricted the sampling. Ratios are of the whole distribution and ignore that.";
const ABOUT_EARNED =
  "The token's own reward, a penalty for straying from the reference and at the last token the score of " +
  "the whole text; and δ, the surprise of this one step.";
const ABOUT_ADVANTAGE =
  "GAE: this token's δ and those after it, each weighted by (γλ) to the power of its distance.";

/**
 * @param {HTMLElement} root
 * @param {Shown} shown
 * @param {ChangeView} changeView
 */
export function drawTrace(root, { run, page }, changeView) {
  redrawn(root, [run, page.step, page.look], () => {
    const { trace } = page;
    if (!trace) return [h("p", { class: "quiet" }, "Choose a token to read its story.")];
    const cards = [earned(trace), advantage(trace), updated(trace, page, changeView), valued(trace, page)];
    return [
      h("h2", {}, `Why “${visible(trace.text).trim() || "␣"}” moved`),
      h("div", { class: "cards" }, ...cards),
    ];
  });
}

/**
 * @param {string} title
 * @param {string} about
 * @param {...Child} content
 */
function card(title, about, ...content) {
  return h("div", { class: "card" }, h("h3", {}, title, aboutButton(title, about)), ...content);
}

/**
 * A formula in words, then with this token's numbers.
 * @param {string} name
 * @param {string} formula
 * @param {string} numbers
 * @param {string} result
 */
function line(name, formula, numbers, result) {
  return h(
    "p",
    { class: "line" },
    h("b", {}, name),
    h("span", { class: "formula" }, ` = ${formula}`),
    h("br"),
    h("span", { class: "number" }, `${numbers} = `),
    h("strong", { class: "number" }, result),
  );
}

/** @param {number} x */
function bracket(x) {
  return x < 0 ? `(${signed(x)})` : number(x);
}

/** @param {TokenTrace} t */
function earned(t) {
  const penalty = write("kl_penalty", t.kl_penalty);
  const logprobs = `${write("old_logprob", t.old_logprob)} − ${bracket(t.ref_logprob)}`;
  const estimate = t.kl_estimate === t.kl ? "KL" : "KL estimate"; // the KL itself, by the usual estimator
  const penalised = `−${number(t.kl_coef)} × ${bracket(t.kl_estimate)}`;
  const rewarded = `${penalty} + ${bracket(t.score_share)}`;
  const reward = write("reward", t.reward);
  const surprise = `${reward} + ${number(t.gamma)} × ${bracket(t.next_value)} − ${bracket(t.value)}`;
  const isLast = t.terms.length === 1;
  const last = "It is the last token, so the whole score is its, and no value follows.";
  return card(
    "What it earned, and what was expected",
    ABOUT_EARNED,
    line("KL", "logprob − reference", logprobs, write("kl", t.kl)),
    line("KL penalty", `−coefficient × ${estimate}`, penalised, penalty),
    line("reward", "KL penalty + score share", rewarded, reward),
    line("δ", "reward + γ × next value − value", surprise, write("delta", t.delta)),
    h("p", { class: "quiet" }, isLast ? last : "The score is given at the last token alone."),
  );
}

/** @param {TokenTrace} t */
function advantage(t) {
  const powers = `${number(t.gamma)} × ${number(t.lam)} = ${number(t.gamma * t.lam)}`;
  const whitened = `(${write("advantage", t.advantage)} − ${bracket(t.mean)}) / ${number(t.spread)}`;
  return card(
    "How that became its advantage",
    ABOUT_ADVANTAGE,
    h("p", { class: "formula" }, `A = Σ (γλ)ᵏ δ, with γλ = ${powers}`),
    h("div", { class: "scroll" }, termTable(t.terms)),
    line("whitened", "(A − mean) / standard deviation", whitened, write("whitened", t.whitened)),
    h("p", { class: "quiet" }, directionOf(t.whitened)),
  );
}

/** @param {number} whitened */
function directionOf(whitened) {
  if (whitened > 0) return "Positive: the update makes the token more likely.";
  return whitened < 0
    ? "Negative: the update makes the token less likely."
    : "Zero: the update leaves the token alone.";
}

/** @param {Term[]} terms */
function termTable(terms) {
  let sum = 0;
  const rows = terms.slice(0, MOST_TERMS).map(({ text, delta, weight, part }) => {
    sum += part;
    return termRow(visible(text), [signed(delta), number(weight), signed(part), signed(sum)]);
  });
  const rest = terms.slice(MOST_TERMS);
  const part = rest.reduce((total, term) => total + term.part, 0);
  const others = ["", "", signed(part), signed(sum + part)];
  return h(
    "table",
    { class: "terms" },
    headRow(["token", "δ", "weight", "part", "sum"]),
    ...rows,
    rest.length > 0 && termRow(`the other ${rest.length} together`, others),
  );
}

/**
 * @param {string} name
 * @param {string[]} numbers
 */
function termRow(name, numbers) {
  return h("tr", {}, h("td", {}, name), ...numbers.map((text) => h("td", { class: "number" }, text)));
}

/** @param {string[]} labels */
function headRow(labels) {
  return h("tr", {}, ...labels.map((label) => h("th", {}, label)));
}

/**
 * @param {TokenTrace} t
 * @param {Shown["page"]} page
 * @param {ChangeView} changeView
 */
function updated(t, { cliprange, look: { epoch }, restricted }, changeView) {
  const ratios = t.epochs.map(({ ratio }) => ratio);
  const cuts = t.epochs.map(({ policy_clip }) => policy_clip);
  const rows = t.epochs.map((one, i) => [number(one.ratio), one.case, cuts[i] ? "cut" : "passes"]);
  const band = { low: 1 - cliprange, high: 1 + cliprange };
  const heads = ["epoch", "ratio", "case", "gradient"];
  const content = rows.length
    ? [
        bandCurve("ratio", ratios, cuts, band),
        epochTable(heads, rows, epoch, (i) => changeView({ epoch: i })),
      ]
    : [h("p", { class: "quiet" }, NOT_REACHED)];
  const gain = "where it would gain more, the clip holds the loss and the token's gradient is cut.";
  return card(
    "What the policy loss did",
    `New probability over old. Beyond 1 ± ${number(cliprange)}, ${gain}`,
    ...content,
    restricted && h("p", { class: "quiet" }, RESTRICTED),
  );
}

/**
 * @param {TokenTrace} t
 * @param {Shown["page"]} page
 */
function valued(t, { cliprange_value: range, look: { epoch } }) {
  const title = "What the value loss did";
  const last = t.epochs.at(-1);
  if (!last) {
    const about = "The value head is trained towards the return, within a band around its old value.";
    return card(title, about, h("p", { class: "quiet" }, `The value stayed ${signed(t.value)}.`));
  }
  const values = t.epochs.map(({ new_value }) => new_value);
  const cuts = t.epochs.map(({ value_clip }) => value_clip);
  const rows = values.map((value, i) => [signed(value), cuts[i] ? "cut" : "passes"]);
  const band = { low: t.value - range, high: t.value + range, aim: t.returned };
  const moved = `The value was ${signed(t.value)}, and ${signed(last.new_value)} in the last epoch.`;
  const left = `Where the value has left the band of ± ${number(range)} around its old one`;
  return card(
    title,
    `The value head is trained towards the return. ${left} and the held value is worse, the clip binds and ` +
      "the gradient is cut.",
    line("return", "advantage + value", `${signed(t.advantage)} + ${bracket(t.value)}`, signed(t.returned)),
    h("p", {}, `${moved} The dashed line is the return.`),
    bandCurve("value", values, cuts, band),
    epochTable(["epoch", "value", "gradient"], rows, epoch),
  );
}

/**
 * @param {string[]} labels
 * @param {string[][]} rows
 * @param {number} shown
 * @param {(epoch: number) => void} [choose]
 */
function epochTable(labels, rows, shown, choose) {
  const lines = rows.map((cells, epoch) => {
    const numbers = cells.map((text) => h("td", { class: text === "cut" ? "cut" : "number" }, text));
    const onclick = choose && (() => choose(epoch));
    const first = h("td", { class: "number" }, epoch + 1);
    return h("tr", { class: epoch === shown && "shown", onclick }, first, ...numbers);
  });
  return h("table", {}, headRow(labels), ...lines);
}
