// Ways from one step, sample or token to another: for the page's buttons and its keys.
import { choose } from "./looking.js";

/**
 * @import { WhatIfBoard } from "./looking.js"
 */

/**
 * The step before or after that has its tokens, if there is one.
 * @param {WhatIfBoard} board
 * @param {"before" | "after"} side
 */
export function moveStep(board, side) {
  const step = board.data.whatif[side];
  if (step !== null) choose(board, { step, example: false });
}

/** @param {WhatIfBoard} board */
export function followNewest(board) {
  choose(board, { step: null, example: false });
}

/**
 * @param {WhatIfBoard} board
 * @param {number} by
 */
export function moveSample(board, by) {
  const data = board.data.whatif;
  if (!("sample" in data)) return;
  const { index, count } = data.sample;
  choose(board, { sample: (index + by + count) % count, token: 0 });
}

/**
 * @param {WhatIfBoard} board
 * @param {number} by
 */
export function moveToken(board, by) {
  const data = board.data.whatif;
  if (!("sample" in data) || !data.sample.texts.length) return;
  const { token, texts } = data.sample;
  choose(board, { token: Math.max(0, Math.min(texts.length - 1, token + by)) });
}
