// Plots in SVG at the width they are given: axes, lines, dots, bars, and marks where something is.

import { typeset } from "./typeset.js";

const SVG = "http://www.w3.org/2000/svg";
const SIDE = { left: 44, right: 10, top: 8, bottom: 22 };

/**
 * spec: { x: [low, high], y: [low, high], lines: [{ points, name }], dots: [{ points, name }],
 *   bars: [[from, to, height]], marks: [{ at, name }], height, log, xLabel, xTicks: [[x, text]] }
 * `log` says that y is a power of ten; `xTicks` stand in for round values. Points without a finite y end a line.
 */
export function plot(svg, spec, title) {
  const width = Math.max(svg.clientWidth, 140);
  const height = spec.height ?? 150;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", title);
  const [x0, x1] = spec.x;
  const [y0, y1] = spec.y;
  const across = (x) => SIDE.left + ((x - x0) / (x1 - x0 || 1)) * (width - SIDE.left - SIDE.right);
  const up = (y) => height - SIDE.bottom - ((y - y0) / (y1 - y0 || 1)) * (height - SIDE.top - SIDE.bottom);
  const parts = [];
  for (const y of ticks(y0, y1, 4)) {
    parts.push(make("line", { class: "grid", x1: SIDE.left, x2: width - SIDE.right, y1: up(y), y2: up(y) }));
    parts.push(text(spec.log ? power(y) : short(y), SIDE.left - 5, up(y) + 3, "end"));
  }
  for (const [x, said] of spec.xTicks ?? ticks(x0, x1, width > 220 ? 5 : 3).map((at) => [at, short(at)])) parts.push(text(said, across(x), height - 8, "middle"));
  if (spec.xLabel) parts.push(text(spec.xLabel, width - SIDE.right, height - SIDE.bottom - 4, "end", "label"));
  for (const [from, to, tall] of spec.bars ?? []) {
    const y = up(Math.min(tall, y1));
    parts.push(make("rect", { class: "histogram", x: across(from), y, width: Math.max(across(to) - across(from) - 0.5, 0.5), height: Math.max(0, up(Math.max(0, y0)) - y) }));
  }
  for (const { points, name } of spec.lines ?? [])
    for (const run of runs(points, y0, y1))
      parts.push(make("polyline", { class: `line ${name}`, points: run.map(([x, y]) => `${across(x).toFixed(1)},${up(y).toFixed(1)}`).join(" ") }));
  for (const { points, name } of spec.dots ?? [])
    for (const [x, y, spread] of points) {
      if (!Number.isFinite(y)) continue;
      if (spread) parts.push(make("line", { class: `whisker ${name}`, x1: across(x), x2: across(x), y1: up(clamp(y - spread, y0, y1)), y2: up(clamp(y + spread, y0, y1)) }));
      parts.push(make("circle", { class: `spot ${name}`, cx: across(x), cy: up(clamp(y, y0, y1)), r: 2.6 }));
    }
  for (const { at, name } of spec.marks ?? [])
    if (Number.isFinite(at)) parts.push(make("line", { class: `mark ${name}`, x1: across(at), x2: across(at), y1: SIDE.top, y2: height - SIDE.bottom }));
  svg.replaceChildren(...parts);
  svg.dataset.drawn = String(width);
  return { at: (pixel) => x0 + ((pixel - SIDE.left) / (width - SIDE.left - SIDE.right)) * (x1 - x0) };
}

/** A figure with a caption for a plot; `draw(svg)` is called again whenever its width changes. */
export function figure(caption, draw) {
  const box = document.createElement("figure");
  box.className = "plot";
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("width", "100%");
  const words = document.createElement("figcaption");
  typeset(words, caption);
  box.append(words, svg);
  const again = () => svg.clientWidth && draw(svg);
  new ResizeObserver(again).observe(box);
  return { box, words, svg, draw: again };
}

/** About `count` round values within [low, high]. */
export function ticks(low, high, count) {
  const raw = (high - low) / Math.max(count, 1);
  if (!(raw > 0)) return [low];
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((k) => k * unit >= raw * 0.999) * unit;
  const out = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) out.push(k * step);
  return out;
}

/** A number in few characters: 0.25, −3.7, 4.9e−5, 1.2e6. */
export function short(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  let said;
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) said = value.toExponential(digits - 2).replace("e+", "e");
  else said = String(Number(value.toPrecision(digits)));
  return said.replaceAll("-", "−");
}

function power(y) {
  const small = String(Math.round(y * 100) / 100).replace("-", "⁻").replace(/\d/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]);
  return `10${small}`;
}

/** The lines' parts within [low, high]: cut where they leave it. */
function runs(points, low, high) {
  const out = [[]];
  const within = (y) => y >= low && y <= high;
  let last = null;
  for (const [x, y] of points) {
    if (y === null || y === undefined || !Number.isFinite(y)) {
      out.push([]);
      last = null;
      continue;
    }
    if (last && within(y) !== within(last[1])) {
      const bound = Math.max(y, last[1]) > high ? high : low;
      const share = (bound - last[1]) / (y - last[1]);
      out.at(-1).push([last[0] + share * (x - last[0]), bound]);
      if (!within(y)) out.push([]);
    }
    if (within(y)) out.at(-1).push([x, y]);
    last = [x, y];
  }
  return out.filter((run) => run.length > 1);
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function text(said, x, y, anchor, name = "tick") {
  const element = make("text", { class: name, x, y, "text-anchor": anchor });
  element.textContent = said;
  return element;
}
