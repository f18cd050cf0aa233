// Enlarging a small picture by a whole factor, by a filter that the page can name.

const plans = new Map();

/** Nearest neighbour or Lanczos-3 of an ImageData; `factor` is a whole number from 1 on. */
export function enlarge(image, factor, filter) {
  if (factor === 1) return image;
  return filter === "nearest" ? nearest(image, factor) : lanczos(image, factor);
}

function nearest(image, factor) {
  const { width, height } = image;
  const out = new ImageData(width * factor, height * factor);
  const from = new Uint32Array(image.data.buffer);
  const to = new Uint32Array(out.data.buffer);
  const wide = width * factor;
  for (let y = 0; y < height; y++) {
    const row = y * factor * wide;
    for (let x = 0; x < width; x++) to.fill(from[y * width + x], row + x * factor, row + (x + 1) * factor);
    for (let copy = 1; copy < factor; copy++) to.copyWithin(row + copy * wide, row, row + wide);
  }
  return out;
}

function lanczos(image, factor) {
  const { width, height, data } = image;
  const across = plan(width, factor);
  const down = plan(height, factor);
  const wide = width * factor;
  const middle = new Float32Array(wide * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < wide; x++) {
      let r = 0, g = 0, b = 0;
      for (let tap = 0; tap < 6; tap++) {
        const at = (y * width + across.index[x * 6 + tap]) * 4;
        const weight = across.weight[x * 6 + tap];
        r += weight * data[at];
        g += weight * data[at + 1];
        b += weight * data[at + 2];
      }
      const to = (y * wide + x) * 3;
      middle[to] = r;
      middle[to + 1] = g;
      middle[to + 2] = b;
    }
  const out = new ImageData(wide, height * factor);
  for (let y = 0; y < out.height; y++)
    for (let x = 0; x < wide; x++) {
      let r = 0, g = 0, b = 0;
      for (let tap = 0; tap < 6; tap++) {
        const at = (down.index[y * 6 + tap] * wide + x) * 3;
        const weight = down.weight[y * 6 + tap];
        r += weight * middle[at];
        g += weight * middle[at + 1];
        b += weight * middle[at + 2];
      }
      const to = (y * wide + x) * 4;
      out.data[to] = r + 0.5; // a clamped array: values beyond 0…255 are cut, fractions dropped
      out.data[to + 1] = g + 0.5;
      out.data[to + 2] = b + 0.5;
      out.data[to + 3] = 255;
    }
  return out;
}

/** The six source places of each target place and their normalised weights. */
function plan(length, factor) {
  const key = length * 64 + factor;
  if (plans.has(key)) return plans.get(key);
  const index = new Int32Array(length * factor * 6);
  const weight = new Float32Array(length * factor * 6);
  for (let target = 0; target < length * factor; target++) {
    const centre = (target + 0.5) / factor - 0.5;
    const first = Math.floor(centre) - 2;
    let sum = 0;
    for (let tap = 0; tap < 6; tap++) {
      const value = kernel(centre - (first + tap));
      index[target * 6 + tap] = Math.min(Math.max(first + tap, 0), length - 1);
      weight[target * 6 + tap] = value;
      sum += value;
    }
    for (let tap = 0; tap < 6; tap++) weight[target * 6 + tap] /= sum;
  }
  const made = { index, weight };
  plans.set(key, made);
  return made;
}

function kernel(x) {
  if (x === 0) return 1;
  if (Math.abs(x) >= 3) return 0;
  const turn = Math.PI * x;
  return (3 * Math.sin(turn) * Math.sin(turn / 3)) / (turn * turn);
}
