// The track: log-SNR at every step as a line, its steps as dots, their milliseconds as bars.

const SVG = "http://www.w3.org/2000/svg";
const LIMIT = 14; // beyond this the picture is noise, or clean, for every purpose
const FAR = 10; // steps beyond this do not stretch the scale

export const HEIGHT = 108;
export const PAD = 14;

/** Where step `index` of `total` stands, in pixels; the place after the last is the picture. */
export function place(index, total, width) {
  return PAD + (index / Math.max(total, 1)) * (width - 2 * PAD);
}

export function drawChart(svg, run, position, title, axis) {
  const width = Math.max(svg.clientWidth, 120);
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  svg.setAttribute("aria-label", title);
  const total = run.total || 20;
  const known = run.levels.map((level, index) => [index, bounded(level)]).filter(([, y]) => y !== undefined);
  // The ends of the way may lie at infinity: they stand at the edge, the others set the scale.
  // A run that still goes keeps room for what comes.
  const inner = known.map(([, y]) => y).filter((y) => Math.abs(y) <= FAR);
  const least = run.ended ? 2 : 6;
  const top = Math.max(least, ...inner);
  const bottom = Math.min(-least, ...inner);
  const high = (y) => 12 + ((top - Math.max(bottom, Math.min(top, y))) / (top - bottom)) * (HEIGHT - 42);
  const parts = [];
  const slowest = Math.max(1, ...run.ms.filter(Number.isFinite));
  const step = (width - 2 * PAD) / Math.max(total, 1);
  run.ms.forEach((ms, index) => {
    if (!Number.isFinite(ms)) return;
    const tall = Math.max(1, (ms / slowest) * 14);
    parts.push(make("rect", { class: "bar", x: place(index, total, width) - Math.min(step * 0.28, 5), y: HEIGHT - 4 - tall, width: Math.min(step * 0.56, 10), height: tall }));
  });
  parts.push(make("line", { class: "zero", x1: 0, x2: width, y1: high(0), y2: high(0) }));
  const points = known.map(([index, y]) => `${place(index, total, width).toFixed(1)},${high(y).toFixed(1)}`);
  if (run.ended && known.length === total) points.push(`${place(total, total, width).toFixed(1)},12`);
  if (points.length > 1) parts.push(make("polyline", { class: "line", points: points.join(" ") }));
  const crowded = total > 120;
  for (const [index, y] of known) {
    if (crowded && index % Math.ceil(total / 120)) continue;
    const past = index <= position ? "dot past" : "dot";
    parts.push(make("circle", { class: past, cx: place(index, total, width), cy: high(y), r: total > 60 ? 1.6 : 2.6 }));
  }
  if (run.ended && run.pictures.length)
    parts.push(make("rect", { class: position >= total ? "end past" : "end", x: place(total, total, width) - 4, y: 8, width: 8, height: 8 }));
  const at = place(Math.min(position, total), total, width);
  parts.push(make("line", { class: "playhead", x1: at, x2: at, y1: 0, y2: HEIGHT }));
  parts.push(label(`${axis.signal}  +${top.toFixed(0)}`, 6, 14, "start"), label(`${axis.noise}  −${(-bottom).toFixed(0)}`, width - 28, HEIGHT - 26, "end"));
  svg.replaceChildren(...parts);
}

/** A plain line of values against step, for ∥Δ∥. */
export function drawLine(svg, values, total, position) {
  const width = Math.max(svg.clientWidth, 60);
  const height = Math.max(svg.clientHeight, 40);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const top = Math.max(1e-6, ...values.filter(Number.isFinite));
  const spot = (value, index) => [6 + (index / Math.max(total - 1, 1)) * (width - 12), height - 6 - (value / top) * (height - 22)];
  const points = values.map((v, i) => (Number.isFinite(v) ? spot(v, i) : null)).filter(Boolean);
  const parts = [make("line", { class: "zero", x1: 0, x2: width, y1: height - 6, y2: height - 6 })];
  parts.push(make("polyline", { class: "line", points: points.map((p) => p.map((n) => n.toFixed(1)).join(",")).join(" ") }));
  for (const [x, y] of points) parts.push(make("circle", { class: "dot", cx: x, cy: y, r: 1.8 }));
  const now = values[Math.min(position, values.length - 1)];
  if (Number.isFinite(now)) {
    const [x, y] = spot(now, Math.min(position, values.length - 1));
    parts.push(make("circle", { class: "dot past", cx: x, cy: y, r: 3 }), label(now.toFixed(3), width - 4, 11, "end"));
  }
  svg.replaceChildren(...parts);
}

function bounded(level) {
  if (!level) return undefined;
  if (level.logsnr === null) return level.share > 0.5 ? -LIMIT : LIMIT; // infinite: pure noise, or none
  return Math.max(-LIMIT, Math.min(LIMIT, level.logsnr));
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function label(text, x, y, anchor) {
  const element = make("text", { class: "axis", x, y, "text-anchor": anchor });
  element.textContent = text;
  return element;
}
