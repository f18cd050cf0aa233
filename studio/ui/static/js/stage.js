// The stage: takes the server's messages in, and shows one run at one place of its way.

import { drawChart, drawLine } from "./chart.js";
import { Pane } from "./pane.js";
import { Player, still } from "./play.js";
import { readout, remarks } from "./readout.js";
import { Run } from "./run.js";
import { saveFilm, savePicture } from "./save.js";
import { report } from "./small.js";
import { figure, fillWords, say } from "./words.js";
import { headline } from "./headline.js";

const SIGN = {
  xt: '<span class="m">x<sub>t</sub></span>',
  x0: '<span class="m"><span class="hat">x</span><sub>0</sub></span>',
  picture: '<span class="m">x<sub>0</sub></span>',
};

const CONTROLS = 348; // CSS pixels: the controls' least width and the gap beside them
const NARROW = 900; // up to this window width there is one column

export class Stage {
  constructor({ element, props, server, watch }) {
    this.root = element.querySelector(".stage");
    this.server = server;
    this.run = new Run("", -1);
    this.message = { kind: "empty" };
    this.position = 0;
    this.picture = 0;
    this.left = "xt";
    this.shown = "xt"; // what the left pane really shows
    this.follow = true; // the newest step is shown as it comes
    fillWords(this.root);
    const fit = () => this.side;
    const small = () => 148;
    this.panes = {
      left: new Pane(this.find("#pane_left"), fit),
      right: new Pane(this.find("#pane_right"), fit),
      cond: new Pane(this.find("#pane_cond"), small),
      uncond: new Pane(this.find("#pane_uncond"), small),
    };
    this.player = new Player((at) => this.show(at), () => this.buttons());
    this.listen();
    this.measure();
    this.take(props.value);
    watch("value", () => this.take(props.value));
    new ResizeObserver(() => this.resize()).observe(this.root.closest(".bench"));
    window.addEventListener("resize", () => this.resize());
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  part(name) {
    return this.root.querySelector(`[data-part="${name}"]`);
  }

  /** One message of the server. Those of an older run of this tab are ignored. */
  take(message) {
    if (!message || message.number < this.run.number) return;
    if (message.kind === "recorded") {
      this.begin(Run.recorded(message));
      this.message = message;
      this.position = this.run.total;
      if (!still()) this.player.start(this.run.total);
    } else if (message.kind !== "empty") {
      if (message.run !== this.run.id) this.begin(new Run(message.run, message.number));
      if (message.total && !this.run.total) this.run.total = message.total;
      if (message.request && !this.run.request) this.run.request = message.request;
      if (message.kind === "step") this.run.step(message);
      if (["finished", "cancelled", "failed"].includes(message.kind)) this.run.end(message);
      this.message = message;
      if (this.follow) this.position = Math.max(0, this.run.recorded - 1);
      if (message.kind === "finished") this.finish();
      if (message.kind === "cancelled") this.load();
    }
    this.root.dataset.state = message.kind;
    this.root.dataset.run = this.run.id;
    this.strip();
    this.buttons();
    this.draw();
  }

  begin(run) {
    this.player.stop();
    this.run = run;
    this.position = 0;
    this.picture = 0;
    this.follow = true;
    this.left = "xt";
  }

  finish() {
    this.picture = Math.min(this.picture, this.run.pictures.length - 1);
    if (this.follow) {
      this.position = this.run.total;
      // A run that was over before it could be watched plays at once; another rests on its picture.
      const held = this.run.seen() > 0.5 * this.run.recorded;
      if (!still()) this.player.start(this.run.total, { held });
    }
    this.load();
  }

  /** Have the recorded frames of what is looked at; x̂0 first, since the eye is there.
   *
   * The loop makes do with the previews that were seen live, if none is missing: decoding a
   * recording costs the device, and others wait for it. A touch asks for the real frames. */
  async load(touched = false) {
    const { run, picture } = this;
    const tell = () => this.run === run && this.draw();
    const wanted = ["x0", "xt"].filter((what) => touched || !run.watched(what, picture));
    if (this.left === "eps") wanted.push("eps");
    for (const what of wanted) {
      const problem = await run.fetch(this.server, what, picture, tell);
      if (!problem) continue;
      if (this.run === run) report(problem);
      return;
    }
  }

  /** Go to a place: a step, or `total` for the picture. */
  show(position) {
    if (position === this.position) return;
    this.position = position;
    this.draw();
  }

  last() {
    return this.run.pictures.length ? this.run.total : Math.max(0, this.run.recorded - 1);
  }

  draw() {
    const { run, position, picture } = this;
    const final = run.pictures.length > 0 && position >= run.total;
    const step = Math.min(position, Math.max(run.recorded - 1, 0));
    this.shown = run.frame(this.left, step, picture) ? this.left : "xt"; // ε̂ may not be there
    const left = run.frame(this.shown, step, picture);
    const right = final ? run.pictures[picture] : run.frame("x0", step, picture);
    // Until a new run's first frame the former picture stays, faint; numbers alone leave it blank.
    this.root.dataset.waiting = String(!run.recorded && !run.ended);
    if (left) this.panes.left.show(left, "nearest").then(() => this.captions());
    else if (run.recorded) this.panes.left.clear();
    if (right) this.panes.right.show(right, "lanczos").then(() => this.captions());
    else if (run.recorded) this.panes.right.clear();
    this.final = final;
    this.step = step;
    this.captions();
    this.anatomy(step);
    headline(this);
    readout(this.find("#readout"), run, step, final);
    remarks(this.find("#remarks"), run);
    const axis = { signal: say("axis_signal"), noise: say("axis_noise") };
    drawChart(this.find(".chart"), run, final ? run.total : step, say("chart_title"), axis);
    const scrubber = this.find("#scrubber");
    scrubber.max = String(Math.max(run.total, 1));
    scrubber.value = String(final ? run.total : step);
    scrubber.disabled = run.recorded < 2;
    const spoken = final ? say("scrub_picture") : say("scrub_value", run.counted(step));
    scrubber.setAttribute("aria-valuetext", spoken);
    this.root.dataset.position = String(final ? run.total : step);
    this.root.dataset.frames = String(this.panes.right.frames);
  }

  captions() {
    const { k, n } = this.run.counted(this.step);
    const name = this.final ? "picture" : "x0";
    const level = this.run.levels[this.step];
    // Beside the picture stands the last state that was asked, which is not the picture's own.
    const meaning = this.final && level ? say(`${this.shown}_last`, { t: figure(level.t) }) : say(this.shown);
    this.part("right_sign").innerHTML = SIGN[name];
    this.part("right_meaning").textContent = say(name);
    this.part("left_meaning").textContent = meaning;
    this.part("left_filter").textContent = this.stated("left", this.shown);
    this.part("right_filter").textContent = this.stated("right", name);
    const prompt = this.run.done?.request?.prompt ?? "";
    const alt = (key) => (this.run.recorded ? say(`alt_${key}`, { k, n, prompt }) : say("alt_empty"));
    this.find("#pane_left").setAttribute("aria-label", alt(this.shown));
    this.find("#pane_right").setAttribute("aria-label", alt(name));
  }

  /** How large a pane's picture is drawn; before that, which step it is if not the asked one. */
  stated(pane, what) {
    const near = this.run.nearest(what, this.step, this.picture);
    const other = what === "picture" || near === undefined || near === this.step;
    return `${other ? "" : `${say("nearest_step", this.run.counted(near))} · `}${stated(this.panes[pane])}`;
  }

  anatomy(step) {
    const cond = this.run.frame("cond", step, this.picture);
    const uncond = this.run.frame("uncond", step, this.picture);
    this.find("#anatomy_view").hidden = !cond;
    if (!cond) return;
    this.panes.cond.show(cond, "lanczos");
    this.panes.uncond.show(uncond, "lanczos");
    drawLine(this.find("#delta_chart"), this.run.delta, this.run.total, step);
  }

  /** Several pictures: a row of small ones to choose from. */
  strip() {
    const { run } = this;
    const strip = this.find("#strip");
    strip.hidden = run.count < 2;
    if (strip.hidden) return;
    strip.setAttribute("aria-label", say("strip"));
    const sources = run.pictures.length ? run.pictures : (run.last?.x0 ?? []);
    while (strip.children.length > sources.length) strip.lastChild.remove();
    sources.forEach((source, index) => {
      let button = strip.children[index];
      if (!button) {
        button = document.createElement("button");
        button.type = "button";
        button.append(document.createElement("img"));
        button.addEventListener("click", () => this.choose(index));
        strip.append(button);
      }
      button.firstChild.src = source;
      const seed = Number(run.done?.request?.seed ?? run.request?.seed ?? 0) + index;
      button.firstChild.alt = say("strip_item", { k: index + 1, seed });
      button.setAttribute("aria-pressed", String(index === this.picture));
    });
  }

  choose(index) {
    this.picture = index;
    this.strip();
    this.load();
    this.draw();
  }

  buttons() {
    const { run } = this;
    const play = this.find("#play");
    play.disabled = !run.ended || run.recorded < 2;
    const playing = this.player.playing;
    play.setAttribute("aria-label", say(playing ? "pause" : "play"));
    play.title = say(playing ? "pause" : "play");
    this.part("play_icon").setAttribute("d", playing ? "M4 2.5h3v11H4zM9 2.5h3v11H9z" : "M4 2.5v11l9-5.5z");
    this.root.dataset.playing = String(playing);
    const mine = run.ended && !run.bundled;
    this.find("#save_png").disabled = !(mine && run.pictures.length);
    for (const kind of ["gif", "mp4"]) this.find(`#save_${kind}`).disabled = !(mine && run.recorded > 1);
    this.find('[data-left="eps"]').disabled = !mine || run.recorded < 1;
    this.find("#downloads").hidden = !mine;
    for (const button of this.root.querySelectorAll("[data-left]"))
      button.setAttribute("aria-pressed", String(button.dataset.left === this.left));
  }

  /** Somebody touched it: the loop ends, and the place is theirs. */
  touch(position) {
    this.player.stop();
    this.follow = !this.run.ended && position >= this.run.recorded - 1;
    this.show(Math.max(0, Math.min(position, this.last())));
    if (this.run.ended) this.load(true);
  }

  listen() {
    const scrubber = this.find("#scrubber");
    scrubber.setAttribute("aria-label", say("scrub"));
    scrubber.addEventListener("input", () => this.touch(Number(scrubber.value)));
    scrubber.addEventListener("pointerdown", () => this.player.stop());
    scrubber.addEventListener("keydown", (event) => {
      // at either end a key changes nothing, and no input event says that it was touched
      if (/^(Arrow|Page|Home|End)/.test(event.key)) this.player.stop();
    });
    this.find("#play").addEventListener("click", () => {
      if (this.player.playing) this.player.stop();
      else this.player.start(this.last(), { from: this.position });
    });
    this.find("#speed").addEventListener("change", (event) =>
      this.player.pace(Number(event.target.value), this.position));
    for (const button of this.root.querySelectorAll("[data-left]"))
      button.addEventListener("click", () => {
        this.left = button.dataset.left;
        this.buttons();
        this.load();
        this.draw();
      });
    this.find(".panes").addEventListener("click", () => this.player.stop());
    this.find("#save_png").addEventListener("click", (event) => savePicture(this, event.target));
    for (const kind of ["gif", "mp4"])
      this.find(`#save_${kind}`).addEventListener("click", (event) => saveFilm(this, kind, event.target));
    this.root.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("keydown", (event) => event.target === document.body && this.key(event));
  }

  key(event) {
    if (event.target.matches("input, select, textarea") || this.root.offsetParent === null) return;
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move || this.run.recorded < 2) return;
    event.preventDefault();
    this.touch(this.position + move);
  }

  /** The plates' side: as wide as two fit, and no taller than leaves the track in the window. */
  measure() {
    const bench = this.root.closest(".bench");
    const gap = window.innerWidth > 560 ? 16 : 8;
    const room = bench.clientWidth - (window.innerWidth > NARROW ? CONTROLS : 0);
    const wide = Math.floor((room - gap) / 2) - 2;
    const tall = Math.max(384, window.innerHeight - 378);
    this.side = Math.max(96, Math.min(wide, tall, 768));
    const shown = this.panes.right.image ?? { width: 128, height: 128 };
    const ratio = window.devicePixelRatio || 1;
    const exact = (this.side * ratio) / shown.width;
    const whole = Math.floor(exact);
    if (whole >= 1 && whole / exact > 0.94) this.side = (whole * shown.width) / ratio;
    bench.style.setProperty("--plate-side", `${this.side}px`);
    bench.style.setProperty("--stage-width", `${2 * this.side + 4 + gap}px`);
  }

  resize() {
    this.measure();
    for (const pane of Object.values(this.panes)) pane.paint();
    this.draw();
  }
}

function stated(pane) {
  const s = pane.statement();
  if (!s) return "";
  if (s.factor <= 1) return say("natural", { side: s.side });
  const factor = Number(s.factor.toFixed(2));
  return say("enlarged", { side: s.side, factor, filter: say(`filter_${s.filter}`) });
}
