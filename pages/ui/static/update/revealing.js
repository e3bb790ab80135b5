// Revealing a stage's tokens one by one.
import { longest } from "./batch.js";

/** @import { State } from "./state.js" */

export const STAGE_MS = 2500; // how long a stage stays while playing
const SLOWEST_TOKEN_MS = 300;
const REVEAL_MS = 6000;
const REVEALED = ["sampling", "gae"];

/**
 * Reveals tokens one by one the first time such a stage is entered, or all at once if the person prefers
 * reduced motion.
 * @param {State} state
 */
export function begin(state) {
  clearTimeout(state.revealer);
  const most = longest(state.page);
  const isStill = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const isFirst = REVEALED.includes(state.page.stages[state.stage - 1].key) && !state.seen.has(state.stage);
  const isSlow = most > 0 && isFirst && !isStill;
  state.seen.add(state.stage);
  reveal(state, isSlow ? 0 : most);
  const pace = Math.min(SLOWEST_TOKEN_MS, REVEAL_MS / most);
  state.until = performance.now() + STAGE_MS + (isSlow ? most * pace : 0);
  if (isSlow) revealSlowly(state, most, pace);
}

/**
 * @param {State} state
 * @param {number} most
 * @param {number} pace  ms a token
 */
function revealSlowly(state, most, pace) {
  state.revealer = window.setTimeout(() => {
    if (!state.view?.article.isConnected) return;
    reveal(state, state.shown + 1);
    if (state.shown < most) revealSlowly(state, most, pace);
  }, pace);
}

/**
 * @param {State} state
 * @param {number} count
 */
export function reveal(state, count) {
  state.shown = count;
  state.view?.show(count);
}
