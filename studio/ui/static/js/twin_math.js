// The mixture itself, in the page: densities, fields and guidance at any angle, in closed form.
//
// A state is z = cos(angle)·x0 + sin(angle)·eps, whatever the path; sin(angle)·score = −eps.

/** Points of a cloud: { frames, points, at(frame) → Float32Array of x, y, x, y … }. */
export function unpack({ frames, points, reach, packed }) {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const words = new Uint16Array(bytes.buffer);
  const values = new Float32Array(words.length);
  for (let k = 0; k < words.length; k++) values[k] = (words[k] / 32767.5 - 1) * reach;
  return { frames, points, at: (frame) => values.subarray(2 * points * frame, 2 * points * (frame + 1)) };
}

/** A mixture's components; of one class alone where a label is given. */
export function components(data, label = null) {
  const kept = data.weights.map((_, k) => k).filter((k) => label === null || data.labels[k] === label);
  const total = kept.reduce((sum, k) => sum + data.weights[k], 0);
  return kept.map((k) => ({ w: data.weights[k] / total, m: data.means[k], s: data.deviations[k] }));
}

/** The components of z at an angle. */
export function noisy(parts, angle) {
  const [alpha, sigma] = [Math.cos(angle), Math.sin(angle)];
  return parts.map(({ w, m, s }) => ({
    w,
    m: [alpha * m[0], alpha * m[1]],
    v: [(alpha * s[0]) ** 2 + sigma * sigma, (alpha * s[1]) ** 2 + sigma * sigma],
  }));
}

/** The density on a square grid of side² points over [−reach, reach]², top row first. */
export function density(parts, angle, side, reach) {
  const out = new Float32Array(side * side);
  const place = (i) => ((2 * (i + 0.5)) / side - 1) * reach;
  const [ex, ey] = [new Float32Array(side), new Float32Array(side)];
  for (const { w, m, v } of noisy(parts, angle)) {
    const peak = w / (2 * Math.PI * Math.sqrt(v[0] * v[1]));
    for (let i = 0; i < side; i++) {
      ex[i] = Math.exp((-0.5 * (place(i) - m[0]) ** 2) / v[0]);
      ey[i] = peak * Math.exp((-0.5 * (-place(i) - m[1]) ** 2) / v[1]);
    }
    for (let j = 0; j < side; j++) {
      if (ey[j] < 1e-12) continue;
      for (let i = 0; i < side; i++) out[j * side + i] += ey[j] * ex[i];
    }
  }
  return out;
}

/** p(x)·p(label | x)^scale at angle 0 on the same grid: what guidance would sample if it were that. */
export function product(data, label, scale, side, reach) {
  const all = density(components(data), 0, side, reach);
  const mine = density(components(data, label), 0, side, reach);
  const share = data.weights.reduce((sum, w, k) => sum + (data.labels[k] === label ? w : 0), 0);
  return all.map((p, k) => (p > 0 ? p * Math.min(1, (share * mine[k]) / p) ** scale : 0));
}

/** sin(angle)·score = −eps at (x, y): a vector that noise makes about as long as 1. */
export function pull(parts, angle, x, y) {
  const sigma = Math.sin(angle);
  let top = -Infinity;
  const logs = parts.map(({ w, m, v }) => {
    const log = Math.log(w) - 0.5 * ((x - m[0]) ** 2 / v[0] + (y - m[1]) ** 2 / v[1] + Math.log(v[0] * v[1]));
    top = Math.max(top, log);
    return log;
  });
  let [sum, u, v] = [0, 0, 0];
  for (let k = 0; k < parts.length; k++) {
    const share = Math.exp(logs[k] - top);
    sum += share;
    u += (share * (parts[k].m[0] - x)) / parts[k].v[0];
    v += (share * (parts[k].m[1] - y)) / parts[k].v[1];
  }
  return [(sigma * u) / sum, (sigma * v) / sum];
}

/** The guided field: (x, y) → vector, of the whole, of the class, or between and beyond them. */
export function field(data, steering, angle, which = "guided") {
  const all = noisy(components(data), angle);
  if (which === "uncond" || (which === "guided" && steering.kind === "none")) return (x, y) => pull(all, angle, x, y);
  const mine = noisy(components(data, steering.label), angle);
  if (which === "cond") return (x, y) => pull(mine, angle, x, y);
  return (x, y) => {
    const [a, b] = [pull(all, angle, x, y), pull(mine, angle, x, y)];
    return [a[0] + steering.scale * (b[0] - a[0]), a[1] + steering.scale * (b[1] - a[1])];
  };
}

/** Where the states of two frames are in between: exact for a step along one x0 and one eps. */
export function between(from, to, a, b, angle, out) {
  const gap = Math.sin(a - b);
  const share = a === b ? 0 : (a - angle) / (a - b);
  const near = Math.abs(gap) < 1e-6;
  const p = near ? 1 - share : Math.sin(angle - b) / gap;
  const q = near ? share : Math.sin(a - angle) / gap;
  for (let k = 0; k < out.length; k++) out[k] = p * from[k] + q * to[k];
  return out;
}

/** The factor from the circle to a path's own coordinates, where these fit the picture. */
export const stretch = (path, angle) => (path === "flow" ? 1 / (Math.cos(angle) + Math.sin(angle)) : 1);
