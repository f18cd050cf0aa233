// How far a picture is from another: |Δ| per pixel, mean of the channels, in one warm scale.

import { pixels } from "./pane.js";

export const GAIN = 4; // a quarter of the range is already the brightest
const STOPS = [[12, 12, 14], [84, 20, 60], [190, 45, 40], [245, 140, 50], [255, 240, 190]];

/** The difference map of two addresses of one size; null where their sizes differ. */
export async function difference(one, other) {
  const [a, b] = await Promise.all([pixels(one), pixels(other)]);
  if (a.width !== b.width || a.height !== b.height) throw new Error("two sizes");
  const out = new ImageData(a.width, a.height);
  for (let at = 0; at < a.data.length; at += 4) {
    let sum = 0;
    for (let k = 0; k < 3; k++) sum += Math.abs(a.data[at + k] - b.data[at + k]);
    const colour = warm(Math.min(1, (GAIN * sum) / 765));
    out.data.set([...colour, 255], at);
  }
  return out;
}

function warm(share) {
  const place = share * (STOPS.length - 1);
  const low = Math.min(Math.floor(place), STOPS.length - 2);
  return STOPS[low].map((value, k) => Math.round(value + (place - low) * (STOPS[low + 1][k] - value)));
}
