// Resampling a small picture to a given size by a filter that the page can name.
//
// "box" gives every target pixel the mean of the source area under it: for whole factors that is
// nearest neighbour, and for others its crisp, even neighbour. "lanczos" is Lanczos-3.

const KERNELS = { box: { reach: 0.5 }, lanczos: { reach: 3 } };
const plans = new Map();

/** `image` (an ImageData) as width × height pixels, never smaller than it is. */
export function enlarge(image, width, height, filter) {
  if (width === image.width && height === image.height) return image;
  const across = plan(image.width, width, filter);
  const down = plan(image.height, height, filter);
  return vertical(horizontal(image, across, width), image.height, width, down, height);
}

function horizontal(image, across, wide) {
  const { width, height, data } = image;
  const { taps, index, weight } = across;
  const out = new Float32Array(wide * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < wide; x++) {
      let r = 0, g = 0, b = 0;
      for (let tap = x * taps; tap < (x + 1) * taps; tap++) {
        const at = (y * width + index[tap]) * 4;
        r += weight[tap] * data[at];
        g += weight[tap] * data[at + 1];
        b += weight[tap] * data[at + 2];
      }
      const to = (y * wide + x) * 3;
      out[to] = r;
      out[to + 1] = g;
      out[to + 2] = b;
    }
  return out;
}

function vertical(rows, height, wide, down, tall) {
  const { taps, index, weight } = down;
  const out = new ImageData(wide, tall);
  const to = out.data; // a clamped array: it rounds, and cuts what lies beyond 0…255
  const line = wide * 3;
  for (let y = 0; y < tall; y++)
    for (let x = 0; x < wide; x++) {
      let r = 0, g = 0, b = 0;
      for (let tap = y * taps; tap < (y + 1) * taps; tap++) {
        const at = index[tap] * line + x * 3;
        r += weight[tap] * rows[at];
        g += weight[tap] * rows[at + 1];
        b += weight[tap] * rows[at + 2];
      }
      const at = (y * wide + x) * 4;
      to[at] = r;
      to[at + 1] = g;
      to[at + 2] = b;
      to[at + 3] = 255;
    }
  return out;
}

/** For each of `to` places the source places it draws on and their normalised weights. */
function plan(from, to, filter) {
  const key = `${filter} ${from} ${to}`;
  if (plans.has(key)) return plans.get(key);
  const scale = to / from;
  const taps = filter === "box" ? 2 : 2 * KERNELS[filter].reach;
  const index = new Int32Array(to * taps);
  const weight = new Float32Array(to * taps);
  for (let target = 0; target < to; target++) {
    const low = target / scale;
    const high = (target + 1) / scale;
    const first = filter === "box" ? Math.floor(low) : Math.floor((low + high) / 2 - 0.5) - taps / 2 + 1;
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      const place = first + tap;
      const value = filter === "box" ? overlap(low, high, place) : lanczos((low + high) / 2 - 0.5 - place);
      index[target * taps + tap] = Math.min(Math.max(place, 0), from - 1);
      weight[target * taps + tap] = value;
      sum += value;
    }
    for (let tap = 0; tap < taps; tap++) weight[target * taps + tap] /= sum;
  }
  const made = { taps, index, weight };
  plans.set(key, made);
  return made;
}

/** The length of [low, high] that lies in the source pixel `place`. */
function overlap(low, high, place) {
  return Math.max(0, Math.min(high, place + 1) - Math.max(low, place));
}

function lanczos(x) {
  if (Math.abs(x) < 1e-9) return 1;
  if (Math.abs(x) >= 3) return 0;
  const turn = Math.PI * x;
  return (3 * Math.sin(turn) * Math.sin(turn / 3)) / (turn * turn);
}
