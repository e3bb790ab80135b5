// The What-if page's view as parameters of an address, and back.
import { parseIndex } from "../lib/address.js";

/**
 * @typedef {object} ViewState  step: null for the newest; turned: the settings that differ from the run's, by
 *   name
 * @property {number | null} step
 * @property {number} sample
 * @property {number} token
 * @property {boolean} example
 * @property {Record<string, number | boolean>} turned
 */

/**
 * The view as the address represents it.
 * @param {ViewState} view
 * @returns {Record<string, string>}
 */
export function toQuery({ step, sample, token, example, turned }) {
  const what = Object.entries(turned).map(([name, value]) => `${name}:${wordOf(value)}`);
  return {
    sample: String(sample),
    token: String(token),
    ...(step === null ? {} : { step: String(step) }),
    ...(example ? { example: "notebook" } : {}),
    ...(what.length ? { what: what.join(",") } : {}),
  };
}

/** @param {number | boolean} value */
function wordOf(value) {
  if (typeof value === "number") return value;
  return value ? "on" : "off";
}

/**
 * The inverse of `toQuery`; what cannot be read is left out.
 * @param {Record<string, string>} query
 * @returns {ViewState}
 */
export function fromQuery({ step, sample, token, example, what }) {
  const words = (what ?? "").split(",").filter(Boolean);
  const turned = words.map((word) => {
    const [name, text] = word.split(":");
    return [name, text === "on" || text === "off" ? text === "on" : Number(text)];
  });
  return {
    step: parseIndex(step),
    sample: parseIndex(sample) ?? 0,
    token: parseIndex(token) ?? 0,
    example: example === "notebook",
    turned: Object.fromEntries(turned.filter(([, value]) => !Number.isNaN(value))),
  };
}
