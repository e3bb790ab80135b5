// The settings that can be changed: a slider and a number field for each, with the run's own value as a tick
// and buttons to reset to it.
import { newMark } from "../lib/board.js";
import { aboutButton, fill, h } from "../lib/dom.js";
import { toQuery } from "./query.js";
import { changeView, viewState } from "./view_state.js";

/**
 * @import { Slider } from "../lib/payloads"
 * @import { WhatIfBoard, WhatIfShown } from "./view_state.js"
 */
/** @typedef {ReturnType<typeof buildSlider>} SliderView */
/**
 * @typedef {object} Turn  own: the run's value; isSettled: false while a slider is being dragged; stride: of
 *   the slider
 * @property {string} name
 * @property {number | boolean} value
 * @property {number | boolean} own
 * @property {boolean} [isSettled]
 * @property {number} [stride]
 */

const ABOUT_WHITENING =
  "Scale the batch's advantages to mean 0 and variance 1 before the policy loss. A run always does; here " +
  "it can be left out.";
const ABOUT_USE = "Puts the values into the sidebar. Nothing changes in a run before you press Apply there.";
const BACK = "Back to what the run used.";

/** @type {Record<string, number>} The slider's own keys, in strides. */
const STRIDES = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };

/** @param {WhatIfBoard} board */
export function buildSliders(board) {
  const list = h("div", { class: "knobs" });
  const box = h("input", { type: "checkbox", onchange: () => view.whiten(box.checked) });
  const own = h("span", { class: "quiet" });
  const about = aboutButton("whitening", ABOUT_WHITENING);
  const whiten = h("label", { class: "whiten" }, box, h("span", {}, "Whiten the advantages"), about, own);
  const reset = h("button", { tip: BACK, onclick: () => changeView(board, { turned: {} }) }, "Reset all");
  const use = h("button", { class: "use", onclick: () => useInRun(board) }, "Use these in the run");
  const said = h("p", { class: "said quiet", "aria-live": "polite" });
  const buttons = h("div", { class: "buttons" }, reset, use);
  const root = h("div", { class: "side" }, list, whiten, buttons, said);
  /** @type {Map<string, SliderView>} */
  const sliders = new Map();
  const view = { root, list, box, own, reset, said, sliders, whiten: (/** @type {boolean} */ _) => {} };
  return view;
}

/** @param {WhatIfBoard} board */
function useInRun(board) {
  board.send("ask", { press: newMark(), query: toQuery(viewState(board)) });
}

/**
 * @param {WhatIfBoard} board
 * @param {ReturnType<typeof buildSliders>} view
 * @param {WhatIfShown} data
 */
export function drawSliders(board, view, data) {
  const { turned } = viewState(board);
  /** @param {Turn} turn */
  const turn = (turn) => {
    changeView(board, { turned: turnedBy(viewState(board).turned, turn) }, turn.isSettled ?? true);
    drawSliders(board, view, data);
  };
  for (const knob of data.knobs) drawSlider(sliderOf(view, knob, turn), knob, turned[knob.name]);
  const isWhitened = Boolean(turned.whiten ?? data.whiten.own);
  view.whiten = (value) => turn({ name: "whiten", value, own: data.whiten.own });
  view.box.checked = isWhitened;
  fill(view.own, isWhitened === data.whiten.own ? "" : "the run whitened");
  view.reset.disabled = !Object.keys(turned).length;
  fill(view.said, board.data.said || ABOUT_USE);
}

/**
 * The changed settings after a change: a value within half a stride of the run's own counts as unchanged.
 * @param {Record<string, number | boolean>} turned
 * @param {Turn} turn
 */
export function turnedBy(turned, { name, value, own, stride = 0 }) {
  const { [name]: _, ...others } = turned;
  const isNear = stride > 0 && Math.abs(Number(value) - Number(own)) < stride / 2;
  return value === own || isNear ? others : { ...others, [name]: value };
}

/**
 * @param {ReturnType<typeof buildSliders>} view
 * @param {Slider} knob
 * @param {(turn: Turn) => void} turn
 */
function sliderOf(view, knob, turn) {
  const kept = view.sliders.get(knob.name);
  const slider = kept ?? buildSlider(knob);
  slider.knob = knob;
  slider.turn = turn;
  if (kept) return slider;
  view.sliders.set(knob.name, slider);
  view.list.append(slider.box);
  return slider;
}

/** @param {Slider} knob */
function buildSlider(knob) {
  const { name, label, about } = knob;
  /** @param {number} value */
  const set = (value) => view.turn({ name, value, own: view.knob.own });
  const range = rangeOf(knob, (value, isSettled) =>
    view.turn({ name, value, own: view.knob.own, isSettled, stride: knob.stride }),
  );
  const field = fieldOf(knob, set);
  const onclick = () => set(view.knob.own);
  const reset = h("button", { class: "back", "aria-label": `Reset ${label}`, tip: BACK, onclick }, "↺");
  const tick = h("i", { class: "tick" });
  const own = h("div", { class: "own quiet number" });
  const title = h("span", { class: "label" }, label);
  const grow = h("span", { class: "grow" });
  const head = h("div", { class: "head" }, title, aboutButton(label, about), grow, field, reset);
  const line = h("div", { class: "line" }, range, tick);
  const box = h("div", { class: "knob", data: { knob: name } }, head, line, own);
  const view = { box, range, field, reset, own, tick, knob, turn: (/** @type {Turn} */ _) => {} };
  return view;
}

/**
 * The slider. step="any" lets it rest on the run's own value; mouse and keys still move it by whole strides.
 * @param {Slider} knob
 * @param {(value: number, isSettled: boolean) => void} turn
 */
function rangeOf({ label, stride }, turn) {
  /** @type {(isSettled: boolean) => void} */
  const slide = (isSettled) => {
    turn(Number((Math.round(Number(range.value) / stride) * stride).toFixed(6)), isSettled);
  };
  /** @param {KeyboardEvent} event */
  const onkeydown = (event) => {
    const by = STRIDES[event.key];
    if (!by) return;
    event.preventDefault();
    range.value = String(Number(range.value) + by * stride);
    slide(true);
  };
  const range = h("input", {
    type: "range",
    step: "any",
    "aria-label": `${label}, slider`,
    oninput: () => slide(false),
    onchange: () => slide(true),
    onkeydown,
  });
  return range;
}

/**
 * @param {Slider} knob
 * @param {(value: number) => void} set
 */
function fieldOf({ label, stride }, set) {
  const onchange = () => field.value !== "" && set(Number(field.value));
  const field = h("input", { type: "number", step: stride, "aria-label": label, onchange });
  return field;
}

/**
 * @param {SliderView} slider
 * @param {Slider} knob
 * @param {number | boolean | undefined} turned
 */
function drawSlider({ box, range, field, reset, own, tick }, knob, turned) {
  const isTurned = turned !== undefined;
  const value = isTurned ? Number(turned) : knob.own;
  const share = (knob.own - knob.low) / (knob.high - knob.low);
  range.min = String(knob.low);
  range.max = String(knob.high);
  if (Number(range.value) !== value) range.value = String(value);
  if (document.activeElement !== field) field.value = String(Number(value.toPrecision(6)));
  tick.style.left = `calc(8px + (100% - 16px) * ${share})`;
  tick.hidden = Boolean(knob.locked) || share < 0 || share > 1;
  reset.style.visibility = isTurned ? "visible" : "hidden";
  range.disabled = Boolean(knob.locked);
  field.disabled = Boolean(knob.locked);
  box.classList.toggle("turned", isTurned);
  fill(own, knob.locked || `used: ${Number(knob.own.toPrecision(4))}`);
}
