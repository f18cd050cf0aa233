// What is painted anew: a canvas over a picture, opaque where somebody painted, else empty.

const LONG = 512; // the canvas's own pixels along its longer side
const UNDO = 20;
const COLOUR = "#e8572a"; // the signal; start.css makes it translucent

export class Mask {
  /** `changed` is called when a stroke ends, and when it is undone or cleared. */
  constructor(changed) {
    this.canvas = document.createElement("canvas");
    this.canvas.id = "start_mask";
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.changed = changed;
    this.pen = { width: 36, erase: false };
    this.before = [];
    this.canvas.addEventListener("pointerdown", (event) => this.down(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) this.canvas.addEventListener(end, () => this.up());
  }

  /** An empty mask of a picture's shape. */
  begin(width, height) {
    const share = LONG / Math.max(width, height);
    this.canvas.width = Math.max(1, Math.round(width * share));
    this.canvas.height = Math.max(1, Math.round(height * share));
    this.before = [];
  }

  /** Where a pointer is on the canvas, which fills its box and is cut by it, as object-fit: cover does. */
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const { width, height } = this.canvas;
    const share = Math.max(box.width / width, box.height / height);
    return [
      (event.clientX - box.left - box.width / 2) / share + width / 2,
      (event.clientY - box.top - box.height / 2) / share + height / 2,
    ];
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
    this.changed();
  }

  line(from, to) {
    const c = this.context;
    c.globalCompositeOperation = this.pen.erase ? "destination-out" : "source-over";
    c.strokeStyle = COLOUR;
    c.lineWidth = this.pen.width;
    c.lineCap = c.lineJoin = "round";
    c.beginPath();
    c.moveTo(...from);
    c.lineTo(...to);
    c.stroke();
  }

  keep() {
    this.before.push(this.pixels());
    if (this.before.length > UNDO) this.before.shift();
  }

  undo() {
    const state = this.before.pop();
    if (!state) return;
    this.context.putImageData(state, 0, 0);
    this.changed();
  }

  clear() {
    if (this.empty) return;
    this.keep();
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.changed();
  }

  pixels() {
    return this.context.getImageData(0, 0, this.canvas.width, this.canvas.height);
  }

  get empty() {
    const { data } = this.pixels();
    for (let k = 3; k < data.length; k += 4) if (data[k] > 127) return false;
    return true;
  }

  /** A mask as a picture, white where it is painted anew, put onto the canvas. */
  async cover(address) {
    const image = new Image();
    image.src = address;
    await image.decode();
    const { width, height } = this.canvas;
    const share = Math.max(width / image.naturalWidth, height / image.naturalHeight);
    const [wide, tall] = [image.naturalWidth * share, image.naturalHeight * share];
    this.context.globalCompositeOperation = "copy";
    this.context.drawImage(image, (width - wide) / 2, (height - tall) / 2, wide, tall);
    const pixels = this.pixels();
    const { data } = pixels;
    const [r, g, b] = [1, 3, 5].map((k) => parseInt(COLOUR.slice(k, k + 2), 16));
    for (let k = 0; k < data.length; k += 4) {
      const white = (data[k] + data[k + 1] + data[k + 2]) / 3 >= 127.5;
      data.set([r, g, b, white ? 255 : 0], k);
    }
    this.context.putImageData(pixels, 0, 0);
  }

  /** White where it is painted anew, black elsewhere, as PNG. */
  address() {
    const copy = document.createElement("canvas");
    copy.width = this.canvas.width;
    copy.height = this.canvas.height;
    const c = copy.getContext("2d");
    c.drawImage(this.canvas, 0, 0);
    c.globalCompositeOperation = "source-in";
    c.fillStyle = "#fff";
    c.fillRect(0, 0, copy.width, copy.height);
    c.globalCompositeOperation = "destination-over";
    c.fillStyle = "#000";
    c.fillRect(0, 0, copy.width, copy.height);
    return copy.toDataURL("image/png");
  }
}
