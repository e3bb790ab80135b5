// How token columns are formatted. The only reader of columns.js, which the server generates.
import { COLUMNS } from "./columns.js";
import { number, signed } from "./format.js";

/**
 * @param {string} name
 */
export function column(name) {
  return COLUMNS[name];
}

/**
 * The centre of the column's colour scale.
 * @param {string} name
 */
export function centreOf(name) {
  return COLUMNS[name].centre ?? 0;
}

/**
 * A number of that column, with a plus sign if the column is signed.
 * @param {string} name
 * @param {number | null | undefined} x
 */
export function write(name, x) {
  return COLUMNS[name]?.signed ? signed(x) : number(x);
}

/** @typedef {(number | null)[]} Numbers */

/**
 * What a token earned, as two lines of a tooltip.
 * @param {{old_logprob: Numbers, ref_logprob: Numbers, kl: Numbers, reward: Numbers, kl_penalty: Numbers,
 *   score_share: Numbers}} tokens
 * @param {number} i
 */
export function earnedLines(tokens, i) {
  /** @param {keyof typeof tokens} name */
  const at = (name) => write(name, tokens[name][i]);
  return [
    `log-probability ${at("old_logprob")}, reference ${at("ref_logprob")}, KL ${at("kl")}`,
    `reward ${at("reward")} = KL penalty ${at("kl_penalty")} + score ${at("score_share")}`,
  ];
}
