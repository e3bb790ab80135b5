// One stage of the update: its words, its formula twice, its tensors; and what three of the stages have of their own.
import { element, fill, number, signed } from "./dom.js";
import { heatmap, uncover } from "./heatmaps.js";
import { colour, visible } from "./tokens.js";

// actions: choose(row, position), lookAt(epoch), show(count) for the scrubber.
export function stageView(payload, index, actions) {
  const stage = payload.stages[index], made = element("article"), head = element("header");
  head.append(element("h2", "", `${index + 1}. ${stage.title}`));
  made.append(head, element("p", "said", stage.explanation), formulas(stage));
  if (stage.note) made.append(element("p", "aside", stage.note));
  if (stage.epochs?.choices.length) made.append(epochs(stage.epochs, actions));
  const parts = [];
  if (payload.samples.length) {
    if (stage.key === "sampling") parts.push(sampling(payload, actions));
    if (stage.key === "score") parts.push(scores(payload));
    if (stage.running) parts.push(running(stage.running, payload, actions));
  }
  if (stage.table) parts.push(table(stage.table));
  const tensors = element("div", "tensors");
  for (const tensor of stage.tensors) {
    const box = heatmap(tensor, payload, actions.choose);
    box.lengths = payload.samples.map(({ tokens }) => tokens.length);
    if (stage.key === "sampling") box.reveal = "forwards";
    tensors.append(box);
  }
  made.append(...parts, tensors);
  made.show = (count) => {
    for (const part of parts) part.show?.(count);
    for (const box of tensors.children) if (box.reveal) uncover(box, count);
  };
  return made;
}

function formulas({ formulas, worked }) {
  const box = element("div", "formulas");
  box.append(...formulas.map((text) => element("div", "formula", text)));
  worked.forEach(({ of, text }, i) => {
    const same = worked[i - 1]?.of === of, line = element("div", same ? "worked same" : "worked");
    line.append(element("span", "of quiet", same ? "" : visible(of)), element("span", "formula number", text));
    box.append(line);
  });
  return box;
}

function epochs({ chosen, choices }, { lookAt }) {
  const box = element("div", "views epochs");
  for (const { epoch, label } of choices) {
    const button = element("button", "", label);
    button.setAttribute("aria-pressed", String(epoch === chosen));
    button.addEventListener("click", () => lookAt(epoch));
    box.append(button);
  }
  return box;
}

// A slider over the tokens, for those who want to go at their own pace.
function scrubber(label, most, { show }) {
  const box = element("label", "scrubber"), slider = element("input"), told = element("span", "number quiet");
  Object.assign(slider, { type: "range", min: 0, max: most, value: most });
  slider.setAttribute("aria-label", label);
  slider.addEventListener("input", () => show(Number(slider.value)));
  box.append(element("span", "quiet", label), slider, told);
  box.show = (count) => { slider.value = count; fill(told, `${count} of ${most}`); };
  return box;
}

export const longest = ({ samples }) => Math.max(0, ...samples.map(({ tokens }) => tokens.length));

function sampling(payload, actions) {
  const box = element("div"), cards = element("div", "cards"), slide = scrubber("Tokens drawn", longest(payload), actions);
  const shows = payload.samples.map((sample, row) => card(cards, sample, row, actions));
  box.append(slide, cards, element("p", "quiet", "Bars: the likeliest tokens at this place and how likely each was. The one that was drawn is marked ●."));
  box.show = (count) => { slide.show(count); shows.forEach((show) => show(count)); };
  return box;
}

function card(cards, { query, tokens, chances, runners_up: runnersUp, ended }, row, { choose }) {
  const made = element("div", "card"), text = element("p", "text"), bars = element("div", "bars");
  text.append(element("span", "query", query));
  const drawn = tokens.map((token, t) => {
    const piece = element("span", "drawn", visible(token));
    piece.dataset.tip = `token ${t + 1}: probability ${number(100 * Math.exp(chances[t]))} %`;
    piece.addEventListener("click", () => choose(row, t));
    text.append(piece);
    return piece;
  });
  if (ended) text.append(element("span", "quiet end", " ∎"));
  made.append(text, bars);
  cards.append(made);
  return (count) => {
    const at = Math.min(count, tokens.length) - 1;
    drawn.forEach((piece, t) => { piece.classList.toggle("unseen", t > at); piece.classList.toggle("newest", t === at); });
    text.querySelector(".end")?.classList.toggle("unseen", at < tokens.length - 1);
    bars.replaceChildren(...(at < 0 ? [] : candidates(tokens[at], Math.exp(chances[at]), runnersUp[at])));
  };
}

function candidates(token, chance, likeliest) {
  const shown = likeliest.some(([, , taken]) => taken) ? likeliest : [...likeliest, [token, chance, true]];
  return shown.map(([text, p, taken]) => {
    const line = element("div", taken ? "candidate taken" : "candidate"), bar = element("i");
    bar.style.width = `${100 * (p ?? 0)}%`;
    const track = element("span", "track");
    track.append(bar);
    line.append(element("span", "mark", taken ? "●" : ""), element("span", "word", visible(text)), track, element("span", "number", `${number(100 * p)} %`));
    return line;
  });
}

function scores({ samples }) {
  const box = element("div", "scores"), limit = Math.max(...samples.map(({ score }) => Math.abs(score)));
  for (const { query, response, score, ended } of samples) {
    const line = element("div", "scored"), value = element("span", "number", signed(score)), text = element("span", "text");
    value.style.background = colour(score, 0, limit);
    text.append(element("span", "query", query), element("span", "", response + (ended ? " ∎" : "")));
    line.append(value, text);
    box.append(line);
  }
  return box;
}

function running({ title, lines }, payload, actions) {
  const box = element("div", "running"), list = element("ol"), slide = scrubber("Tokens worked", longest(payload), actions);
  const made = lines.map(({ token, text }) => {
    const line = element("li");
    line.append(element("span", "quiet", visible(token)), element("span", "formula number", text));
    return line;
  });
  list.append(...made);
  box.append(element("h3", "", title), slide, list);
  box.show = (count) => {
    slide.show(count);
    made.forEach((line, i) => { line.classList.toggle("unseen", i >= count); line.classList.toggle("newest", i === Math.min(count, made.length) - 1); });
    list.scrollTop = Math.max(0, (made[Math.min(count, made.length) - 1]?.offsetTop ?? 0) - list.clientHeight / 2);
  };
  return box;
}

function table({ head, rows }) {
  const made = element("table"), top = element("tr");
  top.append(...head.map((text) => element("th", "", text)));
  made.append(top, ...rows.map((cells) => {
    const line = element("tr");
    line.append(...cells.map((text, i) => element("td", i ? "number" : "", text)));
    return line;
  }));
  return made;
}
