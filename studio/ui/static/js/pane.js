// A canvas that shows one picture at a whole multiple of its size: no browser ever blurs it.

import { enlarge } from "./enlarge.js";

const decoded = new Map(); // address → Promise<ImageData>, newest last
const KEEP = 240;

/** The picture's pixels; the last few hundred stay decoded, so that scrubbing is instant. */
export function pixels(address) {
  if (decoded.has(address)) return decoded.get(address);
  const promise = decode(address);
  decoded.set(address, promise);
  promise.catch(() => decoded.delete(address));
  if (decoded.size > KEEP) decoded.delete(decoded.keys().next().value);
  return promise;
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
  async show(address, filter) {
    const wish = `${filter} ${address}`;
    if (wish === this.wanted) return;
    this.wanted = wish;
    let image;
    try {
      image = await pixels(address);
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
    const factor = this.factor();
    const out = enlarge(this.image, factor, this.filter);
    this.canvas.width = out.width;
    this.canvas.height = out.height;
    this.canvas.getContext("2d").putImageData(out, 0, 0);
    const ratio = window.devicePixelRatio || 1;
    const shrink = Math.min(1, (this.fit() * ratio) / out.width);
    this.canvas.style.width = `${(out.width * shrink) / ratio}px`;
    this.canvas.style.height = `${(out.height * shrink) / ratio}px`;
  }

  /** Device pixels per picture pixel, whole; the screen shows no fraction of a pixel. */
  factor() {
    const room = this.fit() * (window.devicePixelRatio || 1);
    const side = Math.max(this.image.width, this.image.height);
    return Math.max(1, Math.min(Math.floor(room / side), Math.floor(4096 / side)));
  }

  /** { side, factor, filter } for the caption, or null. */
  statement() {
    if (!this.image) return null;
    return { side: this.image.width, factor: this.factor(), filter: this.filter };
  }
}
