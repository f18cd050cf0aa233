// One square of the plane: density, arrows, ways and particles, at any moment of a lane's run.

import { between, components, density, field, stretch } from "./twin_math.js";

export const REACH = 2.75; // of the picture, each way
const HEAT = 112; // points of the density's grid along a side
const ARROWS = [11, 17]; // along a side, of a small square and of a large one
const WAYS = 40; // particles whose way is drawn
const BENDS = 4; // straight pieces that a step's arc is drawn with

/** The colours of the page, read once for every theme. */
export function colours(root) {
  const style = getComputedStyle(root);
  const named = (name) => style.getPropertyValue(name).trim();
  return { ink: named("--ink"), quiet: named("--quiet"), signal: named("--signal"), second: named("--second"), heat: rgb(named("--twin-heat") || "#1b1c1a") };
}

const rgb = (hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));

/** Sharp on any screen: the canvas at the pixels it is shown with; null while it is not shown. */
export function fitted(canvas) {
  const side = canvas.clientWidth;
  if (!side) return null;
  const scale = window.devicePixelRatio || 1;
  const wanted = Math.round(side * scale);
  if (canvas.width !== wanted) canvas.width = canvas.height = wanted;
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, side, side);
  const at = (v) => ((v / REACH + 1) / 2) * side;
  return { context, side, x: at, y: (v) => at(-v) };
}

/** Density values as a picture in one colour, darker where there is more. */
export function heat(view, values, colour, strength = 0.62) {
  const side = Math.round(Math.sqrt(values.length));
  let top = 0;
  for (const v of values) top = Math.max(top, v);
  const image = new ImageData(side, side);
  for (let k = 0; k < values.length; k++) {
    image.data.set(colour, 4 * k);
    image.data[4 * k + 3] = 255 * strength * Math.sqrt(values[k] / top);
  }
  const held = Object.assign(document.createElement("canvas"), { width: side, height: side });
  held.getContext("2d").putImageData(image, 0, 0);
  view.context.imageSmoothingEnabled = true;
  view.context.imageSmoothingQuality = "high";
  view.context.drawImage(held, 0, 0, view.side, view.side);
}

/** Arrows of a field on a grid; their length tells the vector's, up to the grid's gap. */
export function arrows(view, vector, colour, factor = 1) {
  const { context } = view;
  const count = ARROWS[Number(view.side > 220)];
  const gap = (2 * REACH) / count;
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.globalAlpha = 0.6;
  context.beginPath();
  for (let j = 0; j < count; j++)
    for (let i = 0; i < count; i++) {
      const [x, y] = [(i + 0.5) * gap - REACH, (j + 0.5) * gap - REACH];
      const [u, v] = vector(x / factor, y / factor);
      const size = Math.hypot(u, v);
      if (size < 0.02) continue;
      const long = (0.88 * gap * Math.tanh(size / 1.5)) / size;
      const [x0, y0] = [view.x(x - 0.5 * long * u), view.y(y - 0.5 * long * v)];
      const [x1, y1] = [view.x(x + 0.5 * long * u), view.y(y + 0.5 * long * v)];
      const turn = Math.atan2(y1 - y0, x1 - x0);
      const head = Math.min(3.6, 0.45 * Math.hypot(x1 - x0, y1 - y0));
      context.moveTo(x0, y0);
      context.lineTo(x1, y1);
      for (const side of [-2.6, 2.6]) {
        context.moveTo(x1, y1);
        context.lineTo(x1 + head * Math.cos(turn + side), y1 + head * Math.sin(turn + side));
      }
    }
  context.stroke();
  context.globalAlpha = 1;
}

/** Points (x, y, x, y …) as dots. */
export function dots(view, points, colour, factor = 1, count = points.length / 2) {
  const { context, side } = view;
  const size = Math.max(1.2, Math.min(2.4, side / 150)) * (count > 3000 ? 0.8 : 1);
  context.fillStyle = colour;
  context.globalAlpha = count > 3000 ? 0.5 : 0.66;
  for (let k = 0; k < count; k++) context.fillRect(view.x(factor * points[2 * k]) - size / 2, view.y(factor * points[2 * k + 1]) - size / 2, size, size);
  context.globalAlpha = 1;
}

/** A lane that has been run, at any moment. */
export class Course {
  constructor(ran, cloud, way) {
    Object.assign(this, { ran, cloud, way });
    this.path = ran.lane.path;
    this.frames = ran.frames.map(([step, nfe, t, angle, inner]) => ({ step, nfe, t, angle, inner }));
    for (let k = 1; k < this.frames.length; k++) this.frames[k].angle = Math.min(this.frames[k].angle, this.frames[k - 1].angle);
    this.now = new Float32Array(2 * cloud.points);
  }

  /** Where on the recording a clock stands: { k, angle, nfe }, between frames k and k + 1. */
  place(clock) {
    const { frames } = this;
    const last = frames.length - 1;
    let k = 0;
    if (clock.by === "nfe") {
      const nfe = Math.min(clock.nfe, frames[last].nfe);
      while (k < last - 1 && frames[k + 1].nfe <= nfe) k++;
      const [a, b] = [frames[k], frames[k + 1]];
      const share = Math.min(1, Math.max(0, (nfe - a.nfe) / (b.nfe - a.nfe || 1)));
      return { k, share, angle: a.angle + share * (b.angle - a.angle), nfe };
    }
    const angle = Math.min(clock.angle, frames[0].angle);
    while (k < last - 1 && frames[k + 1].angle >= angle) k++;
    const [a, b] = [frames[k], frames[k + 1]];
    const share = a.angle === b.angle ? 1 : Math.min(1, (a.angle - angle) / (a.angle - b.angle));
    return { k, share, angle, nfe: Math.round(a.nfe + share * (b.nfe - a.nfe)) };
  }

  states(place) {
    const { k, share, angle } = place;
    const [a, b] = [this.frames[k], this.frames[k + 1]];
    const [from, to] = [this.cloud.at(k), this.cloud.at(k + 1)];
    if (a.angle !== b.angle) return between(from, to, a.angle, b.angle, angle, this.now);
    for (let i = 0; i < this.now.length; i++) this.now[i] = from[i] + share * (to[i] - from[i]);
    return this.now;
  }

  /** Everything the toggles ask for, on a canvas. */
  paint(canvas, data, steering, place, shown, palette) {
    const view = fitted(canvas);
    if (!view) return;
    const factor = stretch(this.path, place.angle);
    if (shown.density) heat(view, density(components(data), place.angle, HEAT, REACH / factor), palette.heat);
    if (shown.arrows) arrows(view, field(data, steering, Math.max(place.angle, 0.02)), palette.quiet, factor);
    const states = this.states(place);
    if (shown.exact) this.exact(view, place.angle, palette.second);
    if (shown.ways) this.ways(view, place, states, palette.ink);
    dots(view, states, palette.signal, factor);
  }

  ways(view, place, states, colour) {
    const { context } = view;
    const piece = new Float32Array(2 * WAYS);
    context.strokeStyle = colour;
    context.lineWidth = 0.9;
    context.globalAlpha = 0.42;
    const marks = [];
    for (let k = 0; k <= place.k; k++) {
      const [a, b] = [this.frames[k], this.frames[k + 1]];
      marks.push({ angle: a.angle, points: this.cloud.at(k) });
      const end = k === place.k ? place.angle : b.angle;
      if (a.angle === b.angle) continue;
      for (let i = 1; i < BENDS; i++) {
        const angle = a.angle + (i / BENDS) * (end - a.angle);
        marks.push({ angle, points: between(this.cloud.at(k).subarray(0, 2 * WAYS), this.cloud.at(k + 1), a.angle, b.angle, angle, piece).slice() });
      }
    }
    marks.push({ angle: place.angle, points: states });
    this.lines(view, marks, Math.min(this.ran.stochastic ? WAYS / 4 : WAYS, this.cloud.points));
    context.globalAlpha = 1;
  }

  exact(view, angle, colour) {
    const { context } = view;
    const { angles, cloud } = this.way;
    context.strokeStyle = colour;
    context.lineWidth = 1.1;
    context.globalAlpha = 0.75;
    const marks = angles.map((at, k) => ({ angle: at, points: cloud.at(k) })).filter((mark) => mark.angle >= angle - 1e-9);
    const next = angles.findIndex((at) => at < angle);
    if (next > 0) marks.push({ angle, points: between(cloud.at(next - 1), cloud.at(next), angles[next - 1], angles[next], angle, new Float32Array(2 * cloud.points)) });
    this.lines(view, marks, Math.min(WAYS, cloud.points));
    context.globalAlpha = 1;
  }

  lines(view, marks, count) {
    const { context } = view;
    context.beginPath();
    for (let i = 0; i < count; i++)
      marks.forEach(({ angle, points }, k) => {
        const factor = stretch(this.path, angle);
        const to = [view.x(factor * points[2 * i]), view.y(factor * points[2 * i + 1])];
        if (k) context.lineTo(...to);
        else context.moveTo(...to);
      });
    context.stroke();
  }
}
