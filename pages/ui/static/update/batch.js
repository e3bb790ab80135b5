// What the parts of a stage share.

/** @import { UpdatePage } from "../lib/payloads" */
/**
 * @typedef {object} Actions
 * @property {(row: number, position: number) => void} choose
 * @property {(epoch: number) => void} lookAt
 * @property {(count: number) => void} show  the first so many tokens of each response
 */
/**
 * @typedef {object} Part  a piece of a stage
 * @property {HTMLElement} root
 * @property {(count: number) => void} [show]
 */

/**
 * Tokens of the longest response.
 * @param {Pick<UpdatePage, "samples">} page
 */
export function longest({ samples }) {
  return Math.max(0, ...samples.map(({ tokens }) => tokens.length));
}
