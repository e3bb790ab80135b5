// The chosen sample: its tokens as a strip coloured by one quantity, and their ratios epoch by epoch.
import { fill, h, redrawn, setOptions } from "../lib/dom.js";
import { number, signed, visible } from "../lib/format.js";
import { colour } from "../lib/scales.js";
import { column, earnedLines, write } from "../lib/token_columns.js";
import { COLOURS } from "./colours.js";
import { epochTable } from "./epochs.js";
import { moveSample } from "./moves.js";
import { changeView } from "./view_state.js";

/**
 * @import { ColourName } from "../lib/payloads"
 * @import { ChangeView, Shown, TokensBoard } from "./view_state.js"
 */

const BOUND = "color-mix(in srgb, var(--clip) 45%, transparent)";

/** @param {TokensBoard} board */
export function buildSample(board) {
  const title = h("h2");
  const back = () => moveSample(board, -1);
  const before = h("button", { "aria-label": "Previous sample", onclick: back }, "▲");
  const after = h("button", { "aria-label": "Next sample", onclick: () => moveSample(board, 1) }, "▼");
  const choice = h("select", {
    "aria-label": "What colours the tokens",
    onchange: () => changeView(board, { colour: /** @type {ColourName} */ (choice.value) }),
  });
  const epoch = h("select", {
    "aria-label": "Epoch of the update",
    onchange: () => changeView(board, { epoch: epoch.value === "" ? null : Number(epoch.value) }),
  });
  const low = h("span", { class: "number" });
  const high = h("span", { class: "number" });
  const scale = h("span", { class: "scale" }, low, h("i"), high);
  const about = h("p", { class: "quiet" });
  const strip = h("div", { class: "strip" });
  const table = h("div", { class: "epochs" });
  const head = h("header", {}, title, before, after, h("span", { class: "grow" }), choice, epoch, scale);
  const under = h("h2", { class: "sub" }, "Ratio, epoch by epoch");
  const root = h("div", { class: "sample" }, head, about, strip, under, table);
  return { root, title, choice, epoch, about, strip, table, low, high };
}

/**
 * @param {TokensBoard} board
 * @param {ReturnType<typeof buildSample>} frame
 * @param {Shown} shown
 * @param {ChangeView} changeView
 */
export function drawSample(board, frame, shown, changeView) {
  const { page, batch, run } = shown;
  const [query, , score] = batch.samples[page.look.sample];
  fill(frame.title, `Sample ${page.look.sample} of ${batch.samples.length}: score ${signed(score)}`);
  drawChoices(frame, page);
  const key = [run, page.step, page.look, getComputedStyle(board.root).color];
  const isFocused = frame.strip.contains(document.activeElement);
  const isNew = redrawn(frame.strip, key, () => {
    const boxes = page.sample.text.map((_, i) => tokenBox(page, i, () => changeView({ token: i })));
    const none = !boxes.length && h("span", { class: "quiet" }, "This sample has no response token.");
    return [h("span", { class: "query" }, query), ...boxes, none];
  });
  if (!isNew) return;
  const chosen = frame.strip.querySelector(".chosen");
  if (isFocused && chosen instanceof HTMLElement) chosen.focus();
  frame.table.replaceChildren(...epochTable(page, changeView));
}

/**
 * The choice of quantity and epoch, and the colour scale.
 * @param {ReturnType<typeof buildSample>} frame
 * @param {Shown["page"]} page
 */
function drawChoices({ choice, epoch, about, low, high }, page) {
  const { epochs, look, limits } = page;
  setOptions(
    choice,
    Object.entries(COLOURS).map(([name, { label }]) => [name, label]),
  );
  choice.value = look.colour;
  const numbered = Array.from({ length: epochs }, (_, i) => [String(i), `epoch ${i + 1}`]);
  setOptions(epoch, /** @type {[string, string][]} */ ([["", "last epoch"], ...numbered]));
  epoch.value = page.isEpochChosen ? String(look.epoch) : "";
  epoch.disabled = !epochs;
  const shown = COLOURS[look.colour];
  fill(about, shown.about);
  fill(low, write(look.colour, shown.centre - limits[look.colour]));
  fill(high, write(look.colour, shown.centre + limits[look.colour]));
}

/**
 * The number that determines a token's colour.
 * @param {Shown["page"]} page
 * @param {number} i
 */
function colouring({ sample, look }, i) {
  const name = look.colour === "clip" ? "ratio" : look.colour;
  const values = sample[name];
  const here = column(name).per_epoch ? values[look.epoch] : values;
  return /** @type {(number | null)[] | undefined} */ (here)?.[i] ?? null;
}

/**
 * @param {Shown["page"]} page
 * @param {number} i
 * @param {() => void} onclick
 */
function tokenBox(page, i, onclick) {
  const { sample, look, limits } = page;
  const isClip = look.colour === "clip";
  const value = colouring(page, i);
  const policyBinds = Boolean(sample.policy_clip[look.epoch]?.[i]);
  const bound = (policyBinds ? "P" : "") + (sample.value_clip[look.epoch]?.[i] ? "V" : "");
  const box = h(
    "button",
    {
      class: i === look.token ? "token chosen" : "token",
      "aria-pressed": String(i === look.token),
      data: { token: i },
      tip: () => describe(page, i),
      onclick,
    },
    h("b", {}, visible(sample.text[i])),
    h("small", {}, isClip ? bound || "·" : write(look.colour, value)),
  );
  const tint = colour(value, COLOURS[look.colour].centre, limits[look.colour]);
  const clipTint = bound ? BOUND : "transparent";
  box.style.background = isClip ? clipTint : tint;
  box.classList.toggle("clip", policyBinds && (isClip || column(look.colour).per_epoch));
  return box;
}

/**
 * @param {Shown["page"]} page
 * @param {number} i
 */
function describe({ sample, look: { epoch } }, i) {
  /** @param {"value" | "advantage" | "whitened" | "return"} name */
  const at = (name) => write(name, sample[name][i]);
  const ratio = number(sample.ratio[epoch]?.[i]);
  const value = signed(sample.new_value[epoch]?.[i]);
  const updated = `in epoch ${epoch + 1}: ratio ${ratio}, value ${value}`;
  const gains = `advantage ${at("advantage")}, whitened ${at("whitened")}`;
  return [
    `“${visible(sample.text[i])}”  token ${i + 1}, id ${sample.id[i]}`,
    ...earnedLines(sample, i),
    `value ${at("value")}, ${gains}, return ${at("return")}`,
    sample.ratio.length ? updated : "the update made no gradient step",
  ].join("\n");
}
