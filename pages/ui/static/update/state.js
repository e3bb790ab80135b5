// The state of the Update page: which update, which stage, what has been seen.
import { perBoard } from "../lib/board.js";

/**
 * @import { Board } from "../lib/board.js"
 * @import { UpdatePage, UpdatePayload } from "../lib/payloads"
 * @import { StageView } from "./stage.js"
 */
/** @typedef {Board<UpdatePayload>} UpdateBoard */
/**
 * @typedef {object} State  job: which update; batch: the same with its samples; seen: the stages of it that
 *   were entered; shown: tokens that are revealed; furthest: stage that was reached; until: when playing goes
 *   on, ms
 * @property {UpdatePage} page
 * @property {boolean} isComputed
 * @property {string} job
 * @property {string} batch
 * @property {number} stage  from 1
 * @property {number} furthest
 * @property {Set<number>} seen
 * @property {string | null} token
 * @property {number | null} epoch
 * @property {StageView | null} view
 * @property {string} drawn
 * @property {number} shown
 * @property {boolean} isPlaying
 * @property {number} until
 * @property {number} player
 * @property {number} revealer
 * @property {number | null | undefined} asked
 */

export const stateOf = perBoard(
  /**
   * @param {UpdateBoard} board
   * @returns {State}
   */
  ({ data }) => ({
    page: data.walk,
    isComputed: false,
    job: "",
    batch: "",
    stage: 1,
    furthest: 1,
    seen: new Set(),
    token: null,
    epoch: null,
    view: null,
    drawn: "",
    shown: Number.POSITIVE_INFINITY,
    isPlaying: false,
    until: 0,
    player: 0,
    revealer: 0,
    asked: undefined,
  }),
);
