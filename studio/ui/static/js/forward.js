// The forward process in the browser: every x_t from one x0 and one eps, at once.

export class Forward {
  /** `message` is what the server said of a process. */
  constructor(message) {
    const [channels, height, width] = message.shape;
    Object.assign(this, { channels, height, width, matrix: message.matrix, down: message.down });
    this.x0 = unpack(message.x0);
    this.eps = unpack(message.eps);
    this.a = message.curves;
    this.b = message.against;
    this.picture = message.picture;
    this.state = new Float32Array(this.x0.length);
  }

  /** alpha·x0 + sigma·eps, into a buffer that the next call reuses. */
  at(alpha, sigma) {
    const { x0, eps, state } = this;
    for (let k = 0; k < state.length; k++) state[k] = alpha * x0[k] + sigma * eps[k];
    return state;
  }

  /** The state as a picture: as it is, or each latent value through the linear map. */
  draw(state) {
    const { channels, width, height, matrix } = this;
    const size = width * height;
    const image = new ImageData(width, height);
    const out = image.data;
    for (let k = 0; k < size; k++) {
      for (let c = 0; c < 3; c++) {
        let value;
        if (matrix) {
          value = matrix[channels][c];
          for (let from = 0; from < channels; from++) value += matrix[from][c] * state[from * size + k];
        } else value = state[c * size + k];
        out[4 * k + c] = Math.round((value / 2 + 0.5) * 255); // clamped by the array
      }
      out[4 * k + 3] = 255;
    }
    return image;
  }
}

/** Mean and standard deviation of the values. */
export function moments(values) {
  let sum = 0;
  let squares = 0;
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / values.length;
  return { mean, std: Math.sqrt(Math.max(squares / values.length - mean * mean, 0)) };
}

/** Densities of the values in `count` equal parts of [low, high]: [from, to, density]. */
export function histogram(values, low, high, count) {
  const bins = new Float64Array(count);
  const wide = (high - low) / count;
  for (const value of values) {
    const bin = Math.floor((value - low) / wide);
    if (bin >= 0 && bin < count) bins[bin] += 1;
  }
  return Array.from(bins, (n, k) => [low + k * wide, low + (k + 1) * wide, n / (values.length * wide)]);
}

export const normal = (x, mean = 0, deviation = 1) =>
  Math.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * Math.sqrt(2 * Math.PI));

/** Root mean square of the difference of two arrays. */
export function apart(a, b) {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += (a[k] - b[k]) ** 2;
  return Math.sqrt(sum / a.length);
}

/** The real-valued place of a log-SNR in curves that fall; ends where the table ends. */
export function placeOf(curves, logsnr) {
  const table = curves.logsnr;
  const value = (k) => table[k] ?? (curves.sigma[k] === 0 ? Infinity : -Infinity);
  let [low, high] = [0, table.length - 1];
  if (logsnr >= value(low)) return low;
  if (logsnr <= value(high)) return high;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (value(middle) > logsnr) low = middle;
    else high = middle;
  }
  const [above, below] = [value(low), value(high)];
  if (!Number.isFinite(above) || !Number.isFinite(below)) return logsnr - below > above - logsnr ? low : high;
  return low + (above - logsnr) / (above - below || 1);
}

/** alpha and sigma at exactly this log-SNR on a path of this kind. */
export function levelAt(kind, logsnr) {
  const noise = Math.exp(-0.5 * logsnr); // sigma/alpha
  if (kind === "flow") return { alpha: 1 / (1 + noise), sigma: noise === Infinity ? 1 : noise / (1 + noise) };
  const scale = Math.hypot(1, noise);
  return { alpha: 1 / scale, sigma: noise === Infinity ? 1 : noise / scale };
}

/** At most 200 points [share, value] of a curve. */
export function sampled(curves, name) {
  const last = curves.share.length - 1;
  const count = Math.min(last, 200);
  return Array.from({ length: count + 1 }, (_, k) => Math.round((k * last) / count)).map((k) => [curves.share[k], curves[name][k]]);
}

function unpack({ scale, data }) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const whole = new DataView(bytes.buffer);
  const out = new Float32Array(bytes.length / 2);
  for (let k = 0; k < out.length; k++) out[k] = whole.getInt16(2 * k, true) * scale;
  return out;
}
