// The state of the Update page: which update, which stage, what has been seen.
import { perBoard } from "../lib/board.js";

/**
 * @import { Board } from "../lib/board.js"
 * @import { UpdatePayload } from "../lib/payloads"
 * @import { UpdatePage } from "./batch.js"
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
 * @property {number | null | undefined} answered  the job whose batch size the field shows
 * @property {Record<string, string>} asked  by the address, until something else is chosen
 * @property {string[]} problems  what of the address is not shown
 */

export const stateOf = perBoard(
  /**
   * @param {UpdateBoard} _
   * @returns {State}
   */
  (_) => ({
    page: { run: "", number: null, samples: [], stages: [], token: null, epochs: [] },
    asked: {},
    problems: [],
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
    answered: undefined,
  }),
);
