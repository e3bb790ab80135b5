// What the parts of a stage have in common.

/** @import { UpdatePage } from "./state.js" */
/**
 * @typedef {object} Actions
 * @property {(row: number, position: number) => void} choose
 * @property {(epoch: number) => void} lookAt
 * @property {(count: number) => void} show  the first so many tokens of each response
 */
/**
 * @typedef {object} Part  a part of a stage
 * @property {HTMLElement} root
 * @property {(count: number) => void} [show]
 */

/**
 * Number of tokens in the longest response.
 * @param {Pick<UpdatePage, "samples">} page
 */
export function longest({ samples }) {
  return Math.max(0, ...samples.map(({ tokens }) => tokens.length));
}
