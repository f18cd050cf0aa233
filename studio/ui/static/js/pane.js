// A canvas that shows one picture, enlarged by a filter of our own: no browser ever blurs it.

import { enlarge } from "./enlarge.js";

const decoded = new Map(); // address → Promise<ImageData>, newest last
const KEEP = 96 * 2 ** 20; // bytes of pixels
const sizes = new Map(); // address → its bytes, of those that are decoded, oldest first
let held = 0;

/** The picture's pixels; the last few hundred stay decoded, so that scrubbing is instant. */
export function pixels(address) {
  if (decoded.has(address)) return decoded.get(address);
  const promise = decode(address);
  decoded.set(address, promise);
  promise.then(
    (image) => keep(address, image.data.length),
    () => decoded.delete(address),
  );
  return promise;
}

/** Count these bytes in, and let the oldest pictures go until all fit again. */
function keep(address, bytes) {
  sizes.set(address, bytes);
  held += bytes;
  for (const [oldest, size] of sizes) {
    if (held <= KEEP || sizes.size < 2) return;
    sizes.delete(oldest);
    decoded.delete(oldest);
    held -= size;
  }
}

async function decode(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

export class Pane {
  /** `fit` says how many CSS pixels wide the picture may be. */
  constructor(canvas, fit) {
    this.canvas = canvas;
    this.fit = fit;
    this.wanted = "";
    this.drawn = "";
    this.image = null;
    this.filter = "nearest";
    this.frames = 0;
  }

  /** Show this address; a later call overtakes an earlier one that still decodes. */
  show(address, filter) {
    return this.draw(address, () => pixels(address), filter);
  }

  /** Show pixels that `make` promises, under the name that `address` is. */
  async draw(address, make, filter) {
    const wish = `${filter} ${address}`;
    if (wish === this.wanted) return;
    this.wanted = wish;
    let image;
    try {
      image = await make();
    } catch {
      return; // a frame that does not decode is left out; the one before stays
    }
    if (this.wanted !== wish) return;
    this.image = image;
    this.filter = filter;
    this.frames += 1;
    this.paint();
  }

  clear() {
    this.wanted = "";
    this.image = null;
    this.canvas.width = this.canvas.height = 1;
    this.canvas.style.width = this.canvas.style.height = "";
  }

  paint() {
    if (!this.image) return;
    const { width, height } = this.image;
    const factor = this.factor();
    const enlarged = Math.max(1, factor);
    const [wide, tall] = [Math.round(width * enlarged), Math.round(height * enlarged)];
    const out = enlarge(this.image, wide, tall, this.filter === "nearest" ? "box" : "lanczos");
    this.canvas.width = wide;
    this.canvas.height = tall;
    this.canvas.getContext("2d").putImageData(out, 0, 0);
    const ratio = (window.devicePixelRatio || 1) * (enlarged / factor);
    this.canvas.style.width = `${wide / ratio}px`;
    this.canvas.style.height = `${tall / ratio}px`;
  }

  /** Device pixels per picture pixel; whole wherever that wastes little room. */
  factor() {
    const room = this.fit() * (window.devicePixelRatio || 1);
    const exact = room / Math.max(this.image.width, this.image.height);
    const whole = Math.floor(exact);
    return whole >= 1 && whole / exact > 0.94 ? whole : exact;
  }

  /** { side, factor, filter } for the caption, or null. */
  statement() {
    if (!this.image) return null;
    const factor = this.factor();
    const filter = this.filter === "nearest" && factor % 1 ? "box" : this.filter;
    return { side: this.image.width, factor, filter };
  }
}
