// The exact twin's stage: what is raced, the lanes as they go, and one clock for all of them.

import { still } from "./play.js";
import { short } from "./plots.js";
import { Controls } from "./twin_controls.js";
import { LaneCard } from "./twin_lane.js";
import { unpack } from "./twin_math.js";
import { Course, colours } from "./twin_pane.js";
import { Results } from "./twin_results.js";
import { Steer } from "./twin_steer.js";
import { why } from "./twin_why.js";
import { fillWords, say, sayMessage } from "./words.js";

const RUN_MS = 5200; // from noise to data at the usual speed
const HOLD_MS = 2200; // on the data, before it begins again
const WAIT_MS = 250; // after a change, before it is raced
const QUARTER = Math.PI / 2;

export const MOUNTS = { twin: (parts) => new Twin(parts) };

class Twin {
  constructor({ element, props, server }) {
    this.root = element.querySelector(".twin");
    this.root.twin = this;
    this.server = server;
    this.offer = props.value;
    this.spec = structuredClone({ ...this.offer.race, lanes: this.offer.lanes });
    this.shown = { density: true, ways: true, exact: false, arrows: true };
    this.clock = { by: "angle", share: still() ? 0.9 : 0 };
    this.speed = 1;
    this.playing = false;
    this.cards = [];
    this.courses = [];
    this.turn = 0;
    fillWords(this.root);
    this.controls = new Controls(this);
    this.results = new Results(this);
    this.steer = new Steer(this);
    this.listen();
    this.lay();
    new ResizeObserver(() => this.paint()).observe(this.root);
    new MutationObserver(() => this.recolour()).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      this.open();
    });
    seen.observe(this.root);
  }

  part(name) {
    return this.root.querySelector(`[data-part="${name}"]`);
  }

  async open() {
    this.tell({ key: "twin_waiting" });
    const answer = await this.ask(() => this.server.data({}));
    if (!answer) return;
    this.mixtures = answer.data;
    this.controls.fill();
    this.race();
  }

  /** What the server answers; its sentence is shown where it has a problem, and nothing comes. */
  async ask(question) {
    try {
      const answer = await question();
      if (!answer.problem) return answer;
      this.tell(answer.problem);
    } catch {
      this.tell({ tone: "error", key: "err_bug" });
    }
    this.root.dataset.state = "problem";
    return null;
  }

  tell(message) {
    const line = this.part("message");
    const text = message ? sayMessage(message) : "";
    line.className = `twin-message message ${message?.tone ?? ""}`;
    line.textContent = text;
    line.hidden = !text;
  }

  mixture() {
    return this.mixtures.find((one) => one.id === this.spec.data);
  }

  /** Something was changed: race it again when the hand rests. */
  changed(soon = false) {
    clearTimeout(this.later);
    this.turn += 1;
    this.root.dataset.state = "waiting";
    this.later = setTimeout(() => this.race(), soon ? 0 : WAIT_MS);
  }

  async race() {
    const turn = ++this.turn;
    this.root.dataset.state = "racing";
    const made = await this.ask(() => this.server.race(this.spec));
    if (!made || turn !== this.turn) return;
    this.tell(null);
    this.take(made);
    await this.climb(turn);
  }

  take(made) {
    this.made = made;
    const ways = made.ways.map(({ angles, cloud }) => ({ angles, cloud: unpack(cloud) }));
    this.courses = made.lanes.map((ran) => new Course(ran, unpack(ran.cloud), ways[ran.way]));
    this.root.dataset.state = "raced";
    this.root.dataset.races = String(Number(this.root.dataset.races) + 1);
    this.recolour(false);
    this.cards.forEach((card, k) => card.take(this.courses[k]));
    this.results.take(made);
    this.steer.take(made);
    why(this.part("why"), made);
    this.begin();
  }

  /** The ladder, a lane at a time, until something else is raced. */
  async climb(turn) {
    for (const [index, lane] of this.spec.lanes.entries()) {
      const ask = { ...this.spec, lanes: [lane], nfes: this.offer.rungs };
      const answer = await this.ask(() => this.server.climb(ask));
      if (!answer || turn !== this.turn) return;
      this.results.climb(index, answer.climbs[0]);
    }
    this.root.dataset.state = "climbed";
  }

  // Lanes

  lay() {
    this.cards = this.spec.lanes.map((lane, k) => new LaneCard(this, lane, k));
    this.part("lanes").replaceChildren(...this.cards.map((card) => card.box));
    this.controls.add.hidden = this.spec.lanes.length >= this.offer.limits.lanes;
    this.part("lanes").dataset.count = String(this.cards.length);
    this.cards.forEach((card, k) => this.courses[k] && card.take(this.courses[k]));
  }

  add() {
    this.spec.lanes.push({ ...this.spec.lanes.at(-1) });
    this.lay();
    this.changed(true);
  }

  drop(index) {
    if (this.spec.lanes.length === 1) return;
    this.spec.lanes.splice(index, 1);
    this.courses.splice(index, 1);
    this.lay();
    this.changed(true);
  }

  mark(index) {
    this.cards.forEach((card, k) => card.box.classList.toggle("marked", k === index));
    this.results.mark(index);
    this.steer.follow(index);
  }

  // The clock

  begin() {
    if (still()) this.show(this.clock.share);
    else this.play(true);
  }

  play(afresh = false) {
    if (afresh || this.clock.share >= 1) this.clock.share = 0;
    this.began = performance.now() - (this.clock.share * RUN_MS) / this.speed;
    if (!this.playing) {
      this.playing = true;
      requestAnimationFrame((now) => this.tick(now));
    }
    this.icon();
  }

  pause() {
    this.playing = false;
    this.icon();
  }

  tick(now) {
    if (!this.playing) return;
    const along = ((now - this.began) * this.speed) / RUN_MS;
    if (along > 1 + (HOLD_MS * this.speed) / RUN_MS) this.began = now;
    if (this.root.offsetParent !== null) this.show(Math.min(1, Math.max(0, along)));
    requestAnimationFrame((next) => this.tick(next));
  }

  show(share) {
    this.clock.share = share;
    const most = Math.max(...this.courses.map((course) => course.ran.nfe), 1);
    this.clock.angle = (1 - share) * QUARTER;
    this.clock.nfe = share * most;
    const input = this.root.querySelector("#twin_clock");
    input.value = String(Math.round(1000 * share));
    this.part("now").textContent = this.said();
    input.setAttribute("aria-valuetext", this.part("now").textContent);
    this.paint();
  }

  said() {
    if (this.clock.by === "nfe") return say("twin_now_nfe", { nfe: Math.round(this.clock.nfe) });
    const tangent = Math.tan(this.clock.angle);
    const far = this.clock.share < 1e-3;
    return say("twin_now_angle", { ratio: far ? "∞" : short(tangent), logsnr: far ? "−∞" : short(-2 * Math.log(tangent || 0)) });
  }

  paint() {
    if (!this.made) return;
    this.courses.forEach((course, k) => this.cards[k]?.paint(course.place(this.clock)));
    this.steer.paint();
    this.root.dataset.share = this.clock.share.toFixed(3);
  }

  recolour(again = true) {
    this.palette = colours(this.root);
    this.controls.recolour();
    if (again) this.paint();
  }

  icon() {
    this.part("play_icon").setAttribute("d", this.playing ? "M4 3h3v10H4zM9 3h3v10H9z" : "M4 2.5v11l9-5.5z");
    const button = this.root.querySelector("#twin_play");
    button.setAttribute("aria-label", say(this.playing ? "pause" : "play"));
    button.title = say(this.playing ? "pause" : "play");
  }

  listen() {
    this.palette = colours(this.root);
    this.icon();
    this.root.querySelector("#twin_play").addEventListener("click", () => (this.playing ? this.pause() : this.play()));
    const clock = this.root.querySelector("#twin_clock");
    clock.setAttribute("aria-label", say("twin_clock"));
    clock.addEventListener("input", () => {
      this.pause();
      this.show(Number(clock.value) / 1000);
    });
  }
}
