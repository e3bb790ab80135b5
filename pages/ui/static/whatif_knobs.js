// The What-if page's knobs: a slider and a number field each, the run's own value as a tick, and ways back to it.
import { element, fill } from "./dom.js";
import { aboutButton } from "./board.js";
import { asked, choose } from "./whatif.js";

let presses = 0;

export function buildKnobs(board, page, side) {
  const list = element("div", "knobs"), whiten = element("label", "whiten"), box = element("input"), own = element("span", "quiet");
  box.type = "checkbox";
  box.addEventListener("change", () => turn(board, page, "whiten", box.checked, page.data.whiten.own, true));
  whiten.append(box, element("span", "", "Whiten the advantages"),
    aboutButton("whitening", "Scale the batch's advantages to mean 0 and variance 1 before the policy loss. A run always does; here it can be left out."), own);
  const reset = element("button", "", "Reset all"), use = element("button", "use", "Use these in the run"), said = element("p", "said quiet");
  reset.dataset.tip = "Back to what the run used.";
  said.setAttribute("aria-live", "polite");
  reset.addEventListener("click", () => choose(board, { turned: {} }));
  use.addEventListener("click", () => board.send("ask", { press: `${Date.now()}-${presses++}`, query: asked(page.look) }));
  const buttons = element("div", "buttons");
  buttons.append(reset, use);
  side.append(list, whiten, buttons, said);
  page.knobs = { list, box, own, reset, use, said, made: new Map() };
}

// At the run's own value, or within half a step of it, a knob is not turned.
function turn(board, page, name, value, own, settled, stride = 0) {
  const turned = { ...page.look.turned };
  if (value === own || (stride && Math.abs(value - own) < stride / 2)) delete turned[name];
  else turned[name] = value;
  choose(board, { turned }, settled);
  drawKnobs(board, page, page.data);
}

export function drawKnobs(board, page, data) {
  const { knobs } = page, { turned } = page.look;
  for (const knob of data.knobs) {
    if (!knobs.made.has(knob.name)) knobs.made.set(knob.name, build(board, page, knob));
    drawOne(knobs.made.get(knob.name), knob, turned[knob.name]);
  }
  knobs.box.checked = turned.whiten ?? data.whiten.own;
  fill(knobs.own, knobs.box.checked === data.whiten.own ? "" : "the run whitened");
  knobs.reset.disabled = !Object.keys(turned).length;
  fill(knobs.said, data.said || "Puts the values into the sidebar. Nothing changes in a run before you press Apply there.");
}

function build(board, page, { name, label, about, stride }) {
  const box = element("div", "knob"), head = element("div", "head"), line = element("div", "line"), tick = element("i", "tick");
  const range = element("input"), field = element("input"), reset = element("button", "back", "↺"), own = element("div", "own quiet number");
  Object.assign(range, { type: "range", step: "any" });
  Object.assign(field, { type: "number", step: stride });
  box.dataset.knob = name;
  range.setAttribute("aria-label", `${label}, slider`);
  field.setAttribute("aria-label", label);
  reset.setAttribute("aria-label", `Reset ${label}`);
  reset.dataset.tip = "Back to what the run used.";
  const made = { box, range, field, reset, own, tick };
  const slide = (settled) => turn(board, page, name, Number((Math.round(range.value / stride) * stride).toFixed(6)), made.knob.own, settled, stride);
  range.addEventListener("input", () => slide(false));
  range.addEventListener("change", () => slide(true));
  range.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (!by) return;
    event.preventDefault();
    range.value = Number(range.value) + by * stride; // step="any" lets the slider stand on the run's own value; its keys still go by steps
    slide(true);
  });
  field.addEventListener("change", () => { if (field.value !== "") turn(board, page, name, Number(field.value), made.knob.own, true); });
  reset.addEventListener("click", () => turn(board, page, name, made.knob.own, made.knob.own, true));
  head.append(element("span", "label", label), aboutButton(label, about), element("span", "grow"), field, reset);
  line.append(range, tick);
  box.append(head, line, own);
  page.knobs.list.append(box);
  return made;
}

function drawOne(made, knob, turned) {
  made.knob = knob;
  const value = turned ?? knob.own, share = (knob.own - knob.low) / (knob.high - knob.low);
  made.range.min = knob.low;
  made.range.max = knob.high;
  if (Number(made.range.value) !== value) made.range.value = value;
  if (document.activeElement !== made.field && made.field.getRootNode().activeElement !== made.field) made.field.value = Number(value.toPrecision(6));
  made.tick.style.left = `calc(8px + (100% - 16px) * ${share})`;
  made.tick.hidden = Boolean(knob.locked) || share < 0 || share > 1;
  made.reset.style.visibility = turned === undefined ? "hidden" : "visible";
  made.range.disabled = made.field.disabled = Boolean(knob.locked);
  made.box.classList.toggle("turned", turned !== undefined);
  fill(made.own, knob.locked || `used: ${Number(knob.own.toPrecision(4))}`);
}
