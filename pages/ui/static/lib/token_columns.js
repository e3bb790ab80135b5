// How the columns of the token table are written: the one reader of columns.js, which the server makes.
import { COLUMNS } from "./columns.js";
import { number, signed } from "./format.js";

/**
 * @param {string} name
 */
export function column(name) {
  return COLUMNS[name];
}

/**
 * The middle of the column's colour scale.
 * @param {string} name
 */
export function centreOf(name) {
  return COLUMNS[name].centre ?? 0;
}

/**
 * A number of that column, with a plus where the column's numbers have one.
 * @param {string} name
 * @param {number | null | undefined} x
 */
export function write(name, x) {
  return COLUMNS[name]?.signed ? signed(x) : number(x);
}

/** @typedef {(number | null)[]} Numbers */

/**
 * What a token earned, in two lines of a tooltip.
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
