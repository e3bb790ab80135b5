// Moving between steps, samples and tokens, for the page's buttons and keys.
import { changeView, shownOf } from "./view_state.js";

/**
 * @import { WhatIfBoard } from "./view_state.js"
 */

/**
 * Moves to the nearest recorded step before or after this one, if there is one.
 * @param {WhatIfBoard} board
 * @param {"before" | "after"} side
 */
export function moveStep(board, side) {
  const step = shownOf(board)?.[side] ?? null;
  if (step !== null) changeView(board, { step, example: false });
}

/** @param {WhatIfBoard} board */
export function followNewest(board) {
  changeView(board, { step: null, example: false });
}

/**
 * @param {WhatIfBoard} board
 * @param {number} by
 */
export function moveSample(board, by) {
  const data = shownOf(board);
  if (!data || !("sample" in data)) return;
  const { index, count } = data.sample;
  changeView(board, { sample: (index + by + count) % count, token: 0 });
}

/**
 * @param {WhatIfBoard} board
 * @param {number} by
 */
export function moveToken(board, by) {
  const data = shownOf(board);
  if (!data || !("sample" in data) || !data.sample.texts.length) return;
  const { token, texts } = data.sample;
  changeView(board, { token: Math.max(0, Math.min(texts.length - 1, token + by)) });
}
