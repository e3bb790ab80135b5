// One token's story: what it earned, how that became its advantage, and what each epoch of the update did with it.
import { element, fill, number, signed } from "./dom.js";
import { visible } from "./tokens.js";

const SVG = "http://www.w3.org/2000/svg";

export function drawStory(made, run, data, chooseEpoch) {
  const { story } = data, fingerprint = JSON.stringify([run, data.step, data.look]);
  if (made.fingerprint === fingerprint) return;
  made.fingerprint = fingerprint;
  if (!story) return made.root.replaceChildren(element("p", "quiet", "Choose a token to read its story."));
  const title = element("h2", "", `Why “${visible(story.text).trim() || "␣"}” moved`);
  const cards = element("div", "cards");
  cards.append(earned(story), advantage(story), updated(story, data, chooseEpoch), valued(story, data));
  made.root.replaceChildren(title, cards);
}

function card(title, about, ...content) {
  const made = element("div", "card"), head = element("h3", "", title), more = element("button", "about", "?");
  more.dataset.tip = about;
  more.setAttribute("aria-label", `About ${title}: ${about}`);
  head.append(more);
  made.append(head, ...content);
  return made;
}

// A formula in words, and the same with this token's numbers.
function line(name, formula, numbers, result) {
  const made = element("p", "line");
  made.append(element("b", "", name), element("span", "formula", ` = ${formula}`), element("br"), element("span", "number", `${numbers} = `), element("strong", "number", result));
  return made;
}

const bracket = (x) => (x < 0 ? `(${signed(x)})` : number(x));

function earned(s) {
  return card("What it earned, and what was expected", "The token's own reward, a penalty for straying from the reference and at the last token the score of the whole text; and δ, the surprise of this one step.",
    line("KL", "logprob − reference", `${number(s.old_logprob)} − ${bracket(s.ref_logprob)}`, signed(s.kl)),
    line("KL penalty", "−coefficient × KL", `−${number(s.kl_coef)} × ${bracket(s.kl)}`, signed(s.kl_penalty)),
    line("reward", "KL penalty + score share", `${signed(s.kl_penalty)} + ${bracket(s.score_share)}`, signed(s.reward)),
    line("δ", "reward + γ × next value − value", `${signed(s.reward)} + ${number(s.gamma)} × ${bracket(s.next_value)} − ${bracket(s.value)}`, signed(s.delta)),
    element("p", "quiet", s.terms.length > 1 ? "The score is given at the last token alone." : "It is the last token, so the whole score is its, and no value follows."));
}

const MOST_TERMS = 64;

function advantage(s) {
  const table = element("table", "terms"), head = element("tr");
  head.append(...["token", "δ", "weight", "part", "sum"].map((label) => element("th", "", label)));
  let sum = 0;
  table.append(head, ...s.terms.slice(0, MOST_TERMS).map((term) => {
    const row = element("tr");
    sum += term.part;
    row.append(element("td", "", visible(term.text)), ...[signed(term.delta), number(term.weight), signed(term.part), signed(sum)].map((text) => element("td", "number", text)));
    return row;
  }));
  const box = element("div", "scroll");
  box.append(table);
  const rest = s.terms.slice(MOST_TERMS);
  if (rest.length) {
    const row = element("tr"), part = rest.reduce((total, term) => total + term.part, 0);
    row.append(element("td", "", `the other ${rest.length} together`), ...["", "", signed(part), signed(sum + part)].map((text) => element("td", "number", text)));
    table.append(row);
  }
  return card("How that became its advantage", "GAE: this token's δ and those after it, each weighted by (γλ) to the power of its distance.",
    element("p", "formula", `A = Σ (γλ)ᵏ δ, with γλ = ${number(s.gamma)} × ${number(s.lam)} = ${number(s.gamma * s.lam)}`), box,
    line("whitened", "(A − mean) / standard deviation", `(${signed(s.advantage)} − ${bracket(s.mean)}) / ${number(s.spread)}`, signed(s.whitened)),
    element("p", "quiet", s.whitened > 0 ? "Positive: the update makes the token likelier." : s.whitened < 0 ? "Negative: the update makes the token less likely." : "Zero: the update leaves the token alone."));
}

function updated(s, { cliprange, look, restricted }, chooseEpoch) {
  const content = [];
  if (s.epochs.length) {
    content.push(curve(s.epochs.map(({ ratio }) => ratio), 1 - cliprange, 1 + cliprange, "ratio", s.epochs.map(({ policy_clip }) => policy_clip)));
    content.push(epochs(["epoch", "ratio", "case", "gradient"], s.epochs.map(({ ratio, case: name, policy_clip }) => [number(ratio), name, policy_clip ? "cut" : "passes"]), look.epoch, chooseEpoch));
  } else content.push(element("p", "quiet", "The update ended before it came to this token: the update KL limit was reached."));
  if (restricted) content.push(element("p", "quiet", "Top-k or top-p restricted the sampling. Ratios are of the whole distribution and ignore that."));
  return card("What the policy loss did", `New probability over old. Beyond 1 ± ${number(cliprange)}, where it would gain more, the clip holds the loss and the token's gradient is cut.`, ...content);
}

function valued(s, { cliprange_value: range, look }) {
  if (!s.epochs.length) return card("What the value loss did", "The value head is trained towards the return, within a band around its old value.", element("p", "quiet", `The value stayed ${signed(s.value)}.`));
  const last = s.epochs.at(-1), rows = s.epochs.map(({ new_value, value_clip }) => [signed(new_value), value_clip ? "cut" : "passes"]);
  return card("What the value loss did", `The value head is trained towards the return. Where the value has left the band of ± ${number(range)} around its old one and the held value is worse, the clip binds and the gradient is cut.`,
    line("return", "advantage + value", `${signed(s.advantage)} + ${bracket(s.value)}`, signed(s.returned)),
    element("p", "", `The value was ${signed(s.value)}, and ${signed(last.new_value)} in the last epoch. The dashed line is the return.`),
    curve(s.epochs.map(({ new_value }) => new_value), s.value - range, s.value + range, "value", s.epochs.map(({ value_clip }) => value_clip), s.returned),
    epochs(["epoch", "value", "gradient"], rows, look.epoch));
}

function epochs(labels, rows, shown, choose) {
  const table = element("table"), head = element("tr");
  head.append(...labels.map((label) => element("th", "", label)));
  table.append(head, ...rows.map((cells, epoch) => {
    const row = element("tr", epoch === shown ? "shown" : "");
    row.append(element("td", "number", `${epoch + 1}`), ...cells.map((text) => element("td", text === "cut" ? "cut" : "number", text)));
    if (choose) row.addEventListener("click", () => choose(epoch));
    return row;
  }));
  return table;
}

// A quantity over the epochs against its clip band; crosses where the clip bound, a dashed line at its aim.
function curve(values, low, high, name, cuts, aim = null) {
  const wide = 260, tall = 88, edge = 8, all = [...values, low, high, ...(aim === null ? [] : [aim])];
  const least = Math.min(...all), most = Math.max(...all), span = most - least || 1;
  const x = (i) => edge + (values.length > 1 ? (i * (wide - 2 * edge)) / (values.length - 1) : (wide - 2 * edge) / 2);
  const y = (v) => edge + ((most - v) / span) * (tall - 2 * edge);
  const svg = shape("svg", { viewBox: `0 0 ${wide} ${tall}`, class: "curve", role: "img", "aria-label": `${name} over the epochs: ${values.map(number).join(", ")}; band ${number(low)} to ${number(high)}` });
  svg.append(shape("rect", { x: 0, width: wide, y: y(high), height: Math.max(1, y(low) - y(high)), class: "band" }));
  if (aim !== null) svg.append(shape("line", { x1: 0, x2: wide, y1: y(aim), y2: y(aim), class: "aim" }));
  svg.append(shape("polyline", { points: values.map((v, i) => `${x(i)},${y(v)}`).join(" "), class: `path ${name}` }));
  values.forEach((v, i) => svg.append(cuts[i]
    ? shape("path", { d: `M${x(i) - 4},${y(v) - 4}l8,8m0,-8l-8,8`, class: "cut" })
    : shape("circle", { cx: x(i), cy: y(v), r: 3.5, class: `point ${name}` })));
  return svg;
}

function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
