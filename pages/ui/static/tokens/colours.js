// What can colour the tokens: the columns that have a scale, and where the clips bind.
import { COLUMNS } from "../lib/columns.js";

/** @import { ColourName } from "../lib/payloads" */
/**
 * @typedef {object} Colour
 * @property {string} label
 * @property {number} centre  of the diverging scale
 * @property {string} about
 */

const CLIP_STATE = "Where a clip binds in the chosen epoch: P for the policy clip, V for the value clip.";

const SCALED = Object.values(COLUMNS).filter(({ kind, centre }) => kind === "float" && centre !== null);

export const COLOURS = /** @type {Record<ColourName, Colour>} */ ({
  ...Object.fromEntries(
    SCALED.map(({ name, title, centre, tooltip }) => [
      name,
      { label: title, centre: centre ?? 0, about: tooltip },
    ]),
  ),
  clip: { label: "Clip state", centre: 1, about: CLIP_STATE },
});

export const FIRST_COLOUR = /** @type {ColourName} */ ("whitened");

/**
 * @param {string | undefined} name
 * @returns {name is ColourName}
 */
export function isColour(name) {
  return name !== undefined && Object.hasOwn(COLOURS, name);
}
