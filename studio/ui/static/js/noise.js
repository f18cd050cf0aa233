// The Noise tab's stage: one x0, one eps, and every x_t between them the moment t moves.

import { Forward, apart, levelAt, moments, placeOf, sampled } from "./forward.js";
import { Pane } from "./pane.js";
import { still } from "./play.js";
import { NoisePlots } from "./noise_plots.js";
import { make, short } from "./plots.js";
import { typeset } from "./typeset.js";
import { fillWords, say } from "./words.js";

const FRAMES = 9;
const LOOP_MS = 3600; // from clean to noise, and as long back
const MOST_SIDE = 512;
const REACH = 14; // of the track, in log-SNR

export class NoiseStage {
  constructor({ element, props, trigger, watch }) {
    this.root = element.querySelector(".noise");
    this.root.stage = this;
    this.trigger = trigger;
    this.share = 0.4;
    this.right = "";
    this.match = "t";
    this.decoded = [];
    this.guesses = [];
    this.playing = false;
    fillWords(this.root);
    this.panes = {
      left: new Pane(this.find("#noise_left"), () => this.side),
      right: new Pane(this.find("#noise_right"), () => this.side),
    };
    this.measure();
    this.listen();
    this.plots = new NoisePlots(this.find("#noise_plots"), this.part("histogram"), (share) => this.touch(share));
    this.take(props.value);
    watch("value", () => this.take(props.value));
    new ResizeObserver(() => this.resize()).observe(this.root.parentElement);
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  part(name) {
    return this.root.querySelector(`[data-part="${name}"]`);
  }

  take(message) {
    if (message?.kind !== "process") return;
    this.message = message;
    this.forward = new Forward(message);
    this.decoded = [];
    this.guesses = [];
    this.laidFrames = false;
    this.root.dataset.state = "process";
    this.root.dataset.key = String(message.key);
    this.find("#noise_t").max = String(this.forward.a.alpha.length - 1);
    this.draw();
  }

  /** Decoded states of this process came from the server. */
  feed(message) {
    if (message?.key !== this.message?.key) return;
    if (!this.decoded.length && !this.right) this.right = "decoded";
    this.decoded = message.frames;
    this.draw();
  }

  /** One-step guesses came; they are shown beside x_t. */
  know(rows, begun) {
    if (begun) this.right = "guess";
    this.guesses = rows.filter((row) => row.x0);
    this.draw();
  }

  // Where A and B stand

  here() {
    const { a } = this.forward;
    const k = Math.round(this.share * (a.alpha.length - 1));
    return this.level(a, k);
  }

  there() {
    const { b } = this.forward;
    if (!b) return null;
    const here = this.here();
    if (this.match === "t") return this.level(b, Math.round(this.share * (b.alpha.length - 1)));
    const wanted = here.logsnr ?? (here.sigma === 0 ? Infinity : -Infinity);
    const place = placeOf(b, wanted);
    const level = this.level(b, Math.round(place));
    const inside = place > 0 && place < b.alpha.length - 1;
    return inside ? { ...level, ...levelAt(b.kind, wanted), logsnr: here.logsnr, snr: here.snr } : level;
  }

  level(curves, k) {
    const names = ["share", "alpha", "sigma", "alpha_bar", "beta", "snr", "logsnr", "kl", "post_x0", "post_xt", "post_var"];
    return { k, T: curves.alpha.length, kind: curves.kind, id: curves.id, ...Object.fromEntries(names.map((name) => [name, curves[name][k]])) };
  }

  // Drawing

  draw() {
    if (!this.forward || !this.root.clientWidth) return;
    const { forward } = this;
    const [here, there] = [this.here(), this.there()];
    this.states = { a: forward.at(here.alpha, here.sigma).slice() };
    if (there) this.states.b = forward.at(there.alpha, there.sigma).slice();
    this.paint(this.panes.left, forward.draw(this.states.a));
    this.drawRight(here, there);
    this.formula(here);
    this.track(here, there);
    this.frames();
    this.cells(here, there);
    this.plots.draw(this.forward, this.states.a, here, there);
    const slider = this.find("#noise_t");
    slider.value = String(here.k);
    slider.setAttribute("aria-valuetext", say("noise_t_value", { k: here.k, share: short(here.share) }));
    this.root.dataset.k = String(here.k);
    const why = this.match === "t" ? say("noise_why_t") : say("noise_why_logsnr");
    typeset(this.part("apart"), there ? say("noise_apart", { rms: short(apart(this.states.a, this.states.b)), why }) : "");
    this.part("match").hidden = !there;
  }

  paint(pane, image) {
    pane.wanted = "";
    pane.image = image;
    pane.filter = "nearest";
    pane.frames += 1;
    pane.paint();
  }

  drawRight(here, there) {
    const { forward } = this;
    const able = {
      against: Boolean(there),
      x0: true,
      eps: true,
      mean: here.post_var !== null,
      decoded: this.decoded.length > 0,
      guess: this.guesses.length > 0,
    };
    let shown = this.right || (there ? "against" : "x0");
    if (!able[shown]) shown = there ? "against" : "x0";
    for (const button of this.root.querySelectorAll("[data-right]")) {
      button.setAttribute("aria-pressed", String(button.dataset.right === shown));
      button.hidden = !able[button.dataset.right] && ["decoded", "guess", "against"].includes(button.dataset.right);
      button.disabled = !able[button.dataset.right];
    }
    const pane = this.panes.right;
    let meaning = say(`noise_right_${shown}`);
    if (shown === "against") {
      this.paint(pane, forward.draw(this.states.b));
      meaning = say(`noise_schedule_${there.id}`);
    } else if (shown === "x0") this.paint(pane, forward.draw(forward.x0));
    else if (shown === "eps") this.paint(pane, forward.draw(forward.eps));
    else if (shown === "mean") {
      const { x0 } = forward;
      const mean = this.states.a.map((value, k) => here.post_x0 * x0[k] + here.post_xt * value);
      this.paint(pane, forward.draw(mean));
      meaning = say("noise_mean_of", { x0: short(here.post_x0), xt: short(here.post_xt), var: short(here.post_var) });
    } else {
      const list = shown === "decoded" ? this.decoded : this.guesses;
      const near = list.reduce((best, row) => (Math.abs(row.share - this.share) < Math.abs(best.share - this.share) ? row : best));
      pane.show(near.src ?? near.x0, "lanczos").then(() => this.captions());
      meaning = say(`noise_${shown}_at`, { t: short(near.share), error: short(near.error) });
    }
    this.root.dataset.right = shown;
    typeset(this.part("right_meaning"), meaning);
    this.find("#noise_right").setAttribute("aria-label", meaning);
    this.part("left_meaning").textContent = say(`noise_schedule_${here.id}`);
    this.find("#noise_left").setAttribute("aria-label", say("noise_alt", { k: here.k, T: here.T - 1 }));
    this.captions();
  }

  captions() {
    for (const side of ["left", "right"]) {
      const s = this.panes[side].statement();
      const factor = s && (s.factor % 1 ? s.factor.toFixed(1) : s.factor);
      this.part(`${side}_filter`).textContent = s ? say("enlarged", { side: s.side, factor, filter: say(`filter_${s.filter}`) }) : "";
    }
  }

  formula(here) {
    const sign = (text) => Object.assign(document.createElement("span"), { className: "m", innerHTML: text });
    const number = (value) => Object.assign(document.createElement("b"), { textContent: value.toFixed(3) });
    this.part("formula").replaceChildren(sign("x<sub>t</sub>"), " = ", number(here.alpha), " ", sign("x<sub>0</sub>"), " + ", number(here.sigma), " ", sign("ε"));
  }

  track(here, there) {
    const svg = this.find(".chart");
    const width = Math.max(svg.clientWidth, 120);
    const height = 84;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("aria-label", say("noise_track"));
    const across = (share) => 14 + share * (width - 28);
    const up = (y) => 8 + ((REACH - Math.max(-REACH, Math.min(REACH, y))) / (2 * REACH)) * (height - 16);
    const parts = [make("line", { class: "zero", x1: 0, x2: width, y1: up(0), y2: up(0) })];
    for (const [curves, name] of [[this.forward.b, "b"], [this.forward.a, "a"]]) {
      if (!curves) continue;
      const points = sampled(curves, "logsnr").filter(([, y]) => y !== null);
      parts.push(make("polyline", { class: `line ${name}`, points: points.map(([x, y]) => `${across(x).toFixed(1)},${up(y).toFixed(1)}`).join(" ") }));
    }
    const label = make("text", { class: "tick", x: 6, y: height - 6 });
    label.textContent = say("noise_track_axis");
    parts.push(label);
    if (there && there.logsnr !== null) parts.push(make("circle", { class: "spot b", cx: across(there.share), cy: up(there.logsnr), r: 3.4 }));
    const x = across(here.share);
    parts.push(make("line", { class: "playhead", x1: x, x2: x, y1: 0, y2: height }));
    svg.replaceChildren(...parts);
  }

  /** The film strip: laid once for a process, then only marked. */
  frames() {
    const strip = this.find("#noise_strip");
    const { forward } = this;
    if (!this.laidFrames) {
      this.laidFrames = true;
      strip.replaceChildren();
      for (const [name, curves] of [["a", forward.a], ["b", forward.b]]) {
        if (!curves) continue;
        for (let k = 0; k < FRAMES; k++) {
          const share = k / (FRAMES - 1);
          const level = this.level(curves, Math.round(share * (curves.alpha.length - 1)));
          const image = forward.draw(forward.at(level.alpha, level.sigma));
          const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
          canvas.getContext("2d").putImageData(image, 0, 0);
          const button = Object.assign(document.createElement("button"), { type: "button", className: name });
          button.dataset.share = String(share);
          button.setAttribute("aria-label", say("noise_frame", { schedule: say(`noise_schedule_${curves.id}`), t: short(share) }));
          button.append(canvas);
          button.addEventListener("click", () => this.touch(share));
          strip.append(button);
        }
      }
    }
    const nearest = Math.round(this.share * (FRAMES - 1)) / (FRAMES - 1);
    for (const button of strip.children)
      button.setAttribute("aria-pressed", String(Math.abs(Number(button.dataset.share) - nearest) < 1e-6));
  }

  cells(here, there) {
    const list = this.find("#noise_cells");
    const a = { ...here, ...moments(this.states.a) };
    const b = there && { ...there, ...moments(this.states.b) };
    const limit = (level, name) => level[name] ?? (name === "logsnr" && level.alpha === 0 ? -Infinity : Infinity);
    const rows = [
      ["t", (v) => `${v.k}`, "t"],
      ["ᾱ", (v) => short(v.alpha_bar), "alpha_bar"],
      ["β", (v) => short(v.beta), "beta"],
      ["SNR", (v) => short(limit(v, "snr")), "snr"],
      ["log-SNR", (v) => short(limit(v, "logsnr")), "logsnr"],
      ["KL", (v) => short(limit(v, "kl")), "kl"],
      [say("noise_mean"), (v) => v.mean.toFixed(3).replace("-", "−"), "mean"],
      [say("noise_std"), (v) => v.std.toFixed(3), "std"],
    ];
    list.replaceChildren(...rows.map(([name, value, id]) => {
      const cell = document.createElement("div");
      cell.dataset.cell = id;
      cell.title = say(`noise_cell_${id}`);
      cell.append(typeset(document.createElement("dt"), name), Object.assign(document.createElement("dd"), { textContent: value(a) }));
      if (b) cell.append(Object.assign(document.createElement("dd"), { textContent: value(b), className: "b" }));
      return cell;
    }));
    this.part("key").replaceChildren(...[["a", this.forward.a], ["b", this.forward.b]].filter(([, v]) => v).map(([name, v]) => {
      const end = { schedule: say(`noise_schedule_${v.id}`), alpha: short(v.alpha.at(-1)), kl: short(v.kl.at(-1)) };
      return typeset(Object.assign(document.createElement("span"), { className: name }), say("noise_key", end));
    }));
  }

  // Touch

  touch(share) {
    this.pause();
    this.share = share;
    this.draw();
  }

  listen() {
    const slider = this.find("#noise_t");
    slider.setAttribute("aria-label", say("noise_t"));
    slider.addEventListener("input", () => this.touch(Number(slider.value) / Number(slider.max)));
    for (const button of this.root.querySelectorAll("[data-right]"))
      button.addEventListener("click", () => {
        this.right = button.dataset.right;
        this.draw();
      });
    for (const button of this.root.querySelectorAll("[data-match]"))
      button.addEventListener("click", () => {
        this.match = button.dataset.match;
        for (const other of this.root.querySelectorAll("[data-match]"))
          other.setAttribute("aria-pressed", String(other === button));
        this.draw();
      });
    this.find("#noise_play").addEventListener("click", () => (this.playing ? this.pause() : this.play()));
    this.pause();
    this.root.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!move || event.target.matches("input, select, textarea") || !this.forward) return;
      event.preventDefault();
      this.touch(Math.min(1, Math.max(0, this.share + move / 100)));
    });
  }

  play() {
    if (!this.forward) return;
    this.playing = true;
    this.icon();
    const began = performance.now() - this.share * LOOP_MS;
    const step = (time) => {
      if (!this.playing) return;
      const turn = ((time - began) / LOOP_MS) % 2;
      this.share = turn < 1 ? Math.max(turn, 0) : 2 - turn;
      this.draw();
      if (still()) this.pause();
      else requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  pause() {
    this.playing = false;
    this.icon();
  }

  icon() {
    const key = this.playing ? "pause" : "play";
    const button = this.find("#noise_play");
    button.title = say(key);
    button.setAttribute("aria-label", say(key));
    this.part("play_icon").setAttribute("d", this.playing ? "M4 2.5h3v11H4zM9 2.5h3v11H9z" : "M4 2.5v11l9-5.5z");
  }

  measure() {
    const gap = window.innerWidth > 560 ? 16 : 8;
    const wide = this.root.parentElement.clientWidth;
    const beside = wide > 900 ? 236 : 0; // what stands at the plates' right
    const room = Math.floor((wide - beside - gap) / 2) - 2;
    const tall = Math.max(256, window.innerHeight - 430); // leaves the track and the strip in view
    this.side = Math.max(96, Math.min(room, tall, MOST_SIDE));
    const ratio = window.devicePixelRatio || 1;
    const natural = 128;
    const whole = Math.floor((this.side * ratio) / natural);
    if (whole >= 1 && (whole * natural) / (this.side * ratio) > 0.94) this.side = (whole * natural) / ratio;
    this.root.style.setProperty("--plate-side", `${this.side}px`);
  }

  resize() {
    if (!this.root.parentElement.clientWidth) return;
    if (!this.asked) {
      this.asked = true; // the tab is seen for the first time
      this.trigger("submit");
    }
    this.measure();
    for (const pane of Object.values(this.panes)) pane.paint();
    this.draw();
  }
}
