// One sheet of paper: a picture lies on it, and one draws over it with mouse, pen or touch.

export const SIDE = 512; // the paper's own pixels a side
const UNDO = 20;

export class Paper {
  /** `changed` is called when a stroke ends, or the paper is cleared or covered. */
  constructor(changed) {
    this.canvas = document.createElement("canvas");
    this.canvas.width = this.canvas.height = SIDE;
    this.canvas.className = "paper";
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.changed = changed;
    this.pen = { width: 12, erase: false };
    this.before = [];
    this.drawn = false; // whether anybody drew on it
    this.picture = false; // whether a picture lies on it
    this.clear(true);
    this.canvas.addEventListener("pointerdown", (event) => this.down(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("keydown", (event) => {
      if (event.key !== "z" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.undo();
    });
    for (const end of ["pointerup", "pointercancel"]) this.canvas.addEventListener(end, () => this.up());
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * SIDE) / box.width, ((event.clientY - box.top) * SIDE) / box.height];
  }

  down(event) {
    if (event.button) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.keep();
    this.last = this.at(event);
    this.line(this.last, this.last);
  }

  move(event) {
    if (!this.last) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      const here = this.at(each);
      this.line(this.last, here);
      this.last = here;
    }
  }

  up() {
    if (!this.last) return;
    this.last = null;
    this.drawn = true;
    this.changed();
  }

  line(from, to) {
    const c = this.context;
    c.strokeStyle = this.pen.erase ? "#fff" : "#000";
    c.lineWidth = this.pen.width * (this.pen.erase ? 2 : 1);
    c.lineCap = c.lineJoin = "round";
    c.beginPath();
    c.moveTo(...from);
    c.lineTo(...to);
    c.stroke();
  }

  /** Polylines in the unit square, as if drawn by hand. */
  strokes(lines) {
    this.keep();
    for (const line of lines)
      for (let k = 1; k < line.length; k++) this.line(line[k - 1].map((v) => v * SIDE), line[k].map((v) => v * SIDE));
    this.drawn = true;
    this.changed();
  }

  /** Lay a picture on the paper, its middle filling the square. */
  async cover(address) {
    const image = new Image();
    image.src = address;
    await image.decode();
    this.keep();
    const share = Math.max(SIDE / image.naturalWidth, SIDE / image.naturalHeight);
    const [wide, tall] = [image.naturalWidth * share, image.naturalHeight * share];
    this.context.imageSmoothingQuality = "high";
    this.context.drawImage(image, (SIDE - wide) / 2, (SIDE - tall) / 2, wide, tall);
    this.picture = true;
    this.drawn = false;
  }

  clear(quiet = false) {
    if (!quiet) this.keep();
    this.context.fillStyle = "#fff";
    this.context.fillRect(0, 0, SIDE, SIDE);
    this.drawn = this.picture = false;
    if (!quiet) this.changed();
  }

  keep() {
    this.before.push([this.context.getImageData(0, 0, SIDE, SIDE), this.drawn, this.picture]);
    if (this.before.length > UNDO) this.before.shift();
  }

  undo() {
    const state = this.before.pop();
    if (!state) return;
    this.context.putImageData(state[0], 0, 0);
    [, this.drawn, this.picture] = state;
    this.changed();
  }

  get empty() {
    return !this.drawn && !this.picture;
  }

  address() {
    return this.canvas.toDataURL("image/png");
  }
}
