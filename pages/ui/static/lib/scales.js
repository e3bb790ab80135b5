// The colour of each quantity, the same on every page, and the diverging scale.

export const BLUE = "#0072B2"; // policy and score
export const GREEN = "#009E73"; // value and returns
export const VERMILION = "#D55E00"; // below the centre
export const CLIP = "#CC79A7";
export const GREY = "#8c8c8c"; // reference

/**
 * The diverging scale: vermilion below the centre, blue above it, the page's background at it, saturated
 * beyond the limit.
 * @param {number | null} x
 * @param {number} centre
 * @param {number} limit  distance from the centre
 */
export function colour(x, centre, limit) {
  if (x === null || !limit) return "transparent";
  const share = Math.max(-1, Math.min(1, (x - centre) / limit));
  return `rgba(${share < 0 ? "213,94,0" : "0,114,178"},${(0.75 * Math.abs(share)).toFixed(3)})`;
}
