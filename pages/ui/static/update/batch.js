// What the parts of a stage have in common.

/** @import { Stage, UpdateSample } from "../lib/payloads" */
/**
 * @typedef {object} UpdatePage  the stages, with the numbers of one token of a finished update, else without
 * @property {string} run
 * @property {number | null} number  of the job
 * @property {UpdateSample[]} samples
 * @property {Stage[]} stages
 * @property {number[] | null} token
 * @property {number[]} epochs
 */
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
