// A picture to start from: given by file, drop or paste, with a mask painted over it and a strength.

import { button, element } from "./race_words.js";
import { Mask } from "./start_mask.js";
import { figure, say, sayMessage } from "./words.js";

const MOST = 20 * 2 ** 20; // bytes of a picture file

class StartPicture {
  constructor({ element: root, props, server, watch }) {
    this.box = root.querySelector(".start");
    this.props = props;
    this.server = server;
    this.state = { ...props.value };
    this.seen = ""; // the id of the picture that is shown
    this.pending = Promise.resolve(); // what is on its way to the server
    this.waiting = 0;
    this.mask = new Mask(() => this.painted());
    this.lay();
    this.listen();
    this.show();
    if (this.state.image) this.look();
    watch("value", () => this.told());
  }

  lay() {
    this.file = document.createElement("input");
    Object.assign(this.file, { type: "file", accept: "image/png,image/jpeg,image/webp", id: "start_file", hidden: true });
    this.file.addEventListener("change", () => this.open(this.file.files[0]));
    this.empty = button("start-empty", say("start_give"), say("start_give_title"), () => this.file.click());
    this.empty.id = "start_give";
    this.frame = element("div", "start-frame");
    this.image = document.createElement("img");
    this.image.id = "start_picture";
    this.image.alt = say("start_picture");
    this.mask.canvas.setAttribute("role", "img");
    this.mask.canvas.setAttribute("aria-label", say("start_mask_label"));
    this.frame.append(this.image, this.mask.canvas);
    this.note = element("p", "start-note");
    this.note.id = "start_note";
    this.note.setAttribute("role", "status");
    this.tools = element("div", "start-tools");
    const act = (id, go) => Object.assign(button("", say(id), say(`${id}_title`), go), { id });
    this.erase = act("start_eraser", () => this.hold(!this.mask.pen.erase));
    this.erase.setAttribute("aria-pressed", "false");
    const width = this.range("start_pen", { min: 6, max: 120, step: 1, value: this.mask.pen.width }, (value) => (this.mask.pen.width = value));
    this.tools.append(
      width, this.erase, act("start_undo", () => this.mask.undo()), act("start_clear", () => this.mask.clear()),
    );
    this.hint = element("p", "start-hint", say("start_mask_hint"));
    this.strength = this.range("start_strength", { min: 0, max: 1, step: 0.05, value: this.state.strength }, (value) => {
      this.state.strength = value;
      this.count();
      this.publish();
    });
    this.slide = this.strength.querySelector("input");
    this.slide.setAttribute("aria-describedby", "start_count");
    this.counted = element("p", "start-hint");
    this.counted.id = "start_count";
    this.ways = element("div", "start-tools");
    this.ways.append(act("start_other", () => this.file.click()), act("start_remove", () => this.remove()));
    this.rest = element("div", "start-rest");
    this.rest.append(this.frame, this.tools, this.hint, this.strength, this.counted, this.ways);
    this.offer = element("p", "start-hint", say("start_hint"));
    this.box.append(this.file, this.empty, this.offer, this.note, this.rest);
    this.tell(null);
  }

  range(id, settings, changed) {
    const line = element("label", "range");
    const slide = Object.assign(document.createElement("input"), { type: "range", id });
    for (const name of ["min", "max", "step", "value"]) slide[name] = settings[name];
    const digits = settings.step < 1 ? 2 : 0;
    const number = element("output", "", figure(Number(slide.value), digits));
    slide.addEventListener("input", () => {
      number.textContent = figure(Number(slide.value), digits);
      changed(Number(slide.value));
    });
    line.append(element("span", "", say(id)), slide, number);
    return line;
  }

  listen() {
    this.box.addEventListener("dragover", (event) => event.preventDefault());
    this.box.addEventListener("drop", (event) => {
      event.preventDefault();
      event.stopPropagation();
      this.open(event.dataTransfer.files[0]);
    });
    document.addEventListener("paste", (event) => {
      const file = event.clipboardData?.files?.[0];
      if (file && this.box.offsetParent !== null) this.open(file);
    });
    window.addEventListener("xt-way", ({ detail }) => {
      Object.assign(this.state, detail);
      this.shape();
      this.count();
    });
    // A click on Generate waits for a picture or mask that is still on its way.
    document.addEventListener("click", (event) => {
      const go = event.target.closest?.("#generate");
      if (!go || !this.waiting) return;
      event.stopImmediatePropagation();
      event.preventDefault();
      this.pending.then(() => setTimeout(() => go.click(), 50));
    }, true);
  }

  /** Ask the server, one question after the other; null where the answer is a problem, which is said. */
  ask(question, about) {
    this.waiting += 1;
    const answered = this.pending.then(async () => {
      try {
        const answer = await this.server[question](about);
        if (!answer.problem) return answer;
        this.tell(answer.problem, "error");
      } catch {
        this.tell({ key: "control_no_answer" }, "error");
      }
      return null;
    });
    const done = () => (this.waiting -= 1);
    this.pending = answered.then(() => new Promise((go) => setTimeout(go, 0))).finally(done);
    return answered;
  }

  open(file) {
    if (!file) return;
    this.file.value = "";
    if (file.size > MOST) return this.tell({ key: "control_too_large", arguments: { most: MOST / 2 ** 20 } }, "error");
    const reader = new FileReader();
    reader.onload = async () => {
      const answer = await this.ask("give", { source: reader.result });
      if (!answer) return;
      const same = answer.id === this.state.image; // the very picture that a recipe had missed
      Object.assign(this.state, { image: answer.id, mask: same ? this.state.mask : "" });
      this.publish();
      this.tell(null);
      if (same) return this.look();
      this.mask.begin(answer.width, answer.height);
      this.put(answer);
    };
    reader.readAsDataURL(file);
  }

  /** Show what the ids name: after a recipe was put back. */
  async look() {
    const { image, mask } = this.state;
    const answer = await this.ask("look", { image, mask });
    if (image !== this.state.image) return;
    if (!answer) {
      this.seen = "";
      return this.show();
    }
    this.tell(answer.lost ? { key: "start_mask_lost" } : null, "error");
    this.mask.begin(answer.width, answer.height);
    if (answer.mask) await this.mask.cover(answer.mask);
    this.put(answer);
  }

  put(answer) {
    this.seen = this.state.image;
    this.image.src = answer.picture;
    this.show();
  }

  /** A stroke has ended: the server keeps the mask as it is now. */
  async painted() {
    const mine = (this.stroke = (this.stroke ?? 0) + 1);
    this.tell(null);
    if (this.mask.empty) {
      this.state.mask = "";
      return this.publish();
    }
    const answer = await this.ask("mask", { source: this.mask.address() });
    if (!answer || mine !== this.stroke) return;
    this.state.mask = answer.id;
    this.publish();
  }

  remove() {
    this.stroke = (this.stroke ?? 0) + 1;
    Object.assign(this.state, { image: "", mask: "" });
    this.seen = "";
    this.hold(false);
    this.tell(null);
    this.publish();
    this.show();
  }

  hold(erase) {
    this.mask.pen.erase = erase;
    this.erase.setAttribute("aria-pressed", String(erase));
  }

  publish() {
    this.props.value = { ...this.state };
    this.box.dataset.image = this.state.image;
    this.box.dataset.mask = this.state.mask;
  }

  /** The server said something else than we did: a recipe. */
  told() {
    const said = this.props.value;
    const same = ["image", "mask", "strength"].every((name) => said[name] === this.state[name]);
    Object.assign(this.state, said);
    if (same) {
      this.shape();
      return this.count();
    }
    this.box.dataset.image = said.image;
    this.box.dataset.mask = said.mask;
    this.slide.value = said.strength;
    this.strength.querySelector("output").textContent = figure(said.strength, 2);
    this.stroke = (this.stroke ?? 0) + 1;
    this.tell(null);
    if (said.image) return this.look();
    this.seen = "";
    this.show();
  }

  show() {
    const there = Boolean(this.state.image) && this.seen === this.state.image;
    this.empty.hidden = there;
    this.offer.hidden = Boolean(this.state.image);
    this.frame.hidden = this.tools.hidden = this.hint.hidden = !there;
    this.rest.hidden = !this.state.image; // a missed picture can be given again, or let go
    this.box.dataset.shown = this.seen;
    this.shape();
    this.count();
  }

  /** The frame has the run's shape: the picture's middle is what it starts from. */
  shape() {
    const { width, height } = this.state;
    if (width > 0 && height > 0) this.frame.style.aspectRatio = `${width} / ${height}`;
  }

  /** How many of the steps will run; the recipe counts in the same way. */
  count() {
    const { steps, strength } = this.state;
    const run = Math.min(Math.floor(steps * strength), steps);
    this.counted.textContent = say(run > 0 ? "start_steps" : "start_no_step", { run, steps });
    this.counted.classList.toggle("warned", !(run > 0));
  }

  tell(message, tone = "note") {
    this.note.textContent = message ? sayMessage(message) : "";
    this.note.className = `start-note ${message ? tone : ""}`;
    this.note.hidden = !message;
  }
}

export const MOUNTS = { start: (parts) => new StartPicture(parts) };
