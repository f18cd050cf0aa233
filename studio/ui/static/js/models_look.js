// Looking inside a checkpoint: a picture through its autoencoder and back, one forward block by
// block, where each word of a prompt is looked for, and a transformer's gates over t. Each is
// asked for; the checkpoint is loaded first.

import { drawGates, drawStack, drawU, tokenGrid } from "./models_draw.js";
import { drawWords } from "./models_words.js";
import { short } from "./plots.js";
import { button, element } from "./race_words.js";
import { typeset } from "./typeset.js";
import { say } from "./words.js";

const READERS = ["sd", "sdxl", "pixart", "sd3", "flux"]; // families that attend to a text
const MAX_UPLOAD = 20e6; // bytes of a picture that is looked at

export class Look {
  constructor(tab, pictures) {
    this.tab = tab;
    this.box = tab.part("look");
    this.pictures = pictures;
    this.chosen = { name: pictures[0]?.name ?? "" };
    this.share = 0.5;
    this.prompt = "";
  }

  /** A checkpoint's page was opened: the panels that it can have, empty. */
  open(details) {
    this.details = details;
    const network = details.parameters > 0 && details.family !== "exact";
    this.box.hidden = !network;
    this.tab.root.dataset.look = "none";
    if (!network) return this.box.replaceChildren();
    const latent = details.latent[1] !== details.size;
    this.panels = { trip: panel("models_trip"), forward: panel("models_forward"), words: panel("models_words"), gates: panel("models_gates") };
    this.panels.trip.hidden = !latent;
    this.panels.words.hidden = !READERS.includes(details.family);
    this.panels.gates.hidden = !details.components.some(({ kind, name }) => name === "transformer" || /Transformer2DModel$/.test(kind));
    this.box.replaceChildren(element("h3", "look-title", say("models_look")), this.picker(), ...Object.values(this.panels));
    this.ready("trip", [button("act", say("models_trip_go"), "", () => this.run("trip"))]);
    this.ready("forward", [this.field("forward"), button("act", say("models_forward_go"), "", () => this.run("forward"))]);
    this.ready("words", [this.field("words"), button("act", say("models_words_go"), "", () => this.run("words"))]);
    this.ready("gates", [button("act", say("models_gates_go"), "", () => this.run("gates"))]);
    for (const [name, box] of Object.entries(this.panels)) box.querySelector(".ask button.act").id = `models_${name}_go`;
  }

  /** The bundled pictures, and one's own. */
  picker() {
    const row = element("div", "pictures");
    const press = () => row.querySelectorAll("button").forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.name === this.chosen.name)));
    for (const { name, src } of this.pictures) {
      const made = button("thumb", "", say(`noise_picture_${name}`), () => {
        this.chosen = { name };
        press();
        this.again();
      });
      made.dataset.name = name;
      made.append(Object.assign(element("img"), { src, alt: say(`noise_picture_${name}`) }));
      row.append(made);
    }
    const file = Object.assign(element("input"), { type: "file", accept: "image/png,image/jpeg,image/webp", id: "models_picture" });
    file.addEventListener("change", async () => {
      const [chosen] = file.files;
      file.value = "";
      if (!chosen) return;
      if (chosen.size > MAX_UPLOAD) return this.tab.tell({ tone: "error", key: "models_too_large", arguments: {} });
      this.chosen = { source: await data(chosen) };
      press();
      this.again();
    });
    const label = element("label", "own", say("models_own"));
    label.append(file);
    row.append(label);
    press();
    return row;
  }

  /** The prompt of a forward, and where on the path it is asked: one for both panels. */
  field(name) {
    const end = name === "forward" ? "" : `_${name}`;
    const box = element("span", "fields");
    const prompt = Object.assign(element("input"), { type: "text", id: `models_prompt${end}`, maxLength: 2000, value: this.prompt, placeholder: say(`models_prompt${end}`) });
    prompt.setAttribute("aria-label", say("prompt"));
    prompt.addEventListener("input", () => this.shared("prompt", prompt.value));
    prompt.addEventListener("keydown", ({ key }) => key === "Enter" && this.run(name));
    const slider = Object.assign(element("input"), { type: "range", id: `models_share${end}`, min: 0, max: 1, step: 0.02, value: this.share });
    slider.setAttribute("aria-label", "t/T");
    slider.addEventListener("input", () => this.shared("share", Number(slider.value)));
    slider.addEventListener("change", () => this.panels[name].dataset.done && this.run(name));
    box.append(prompt, slider, element("output", "", `t/T ${this.share.toFixed(2)}`));
    return box;
  }

  /** What was set in one panel stands in the other too. */
  shared(name, value) {
    this[name] = value;
    for (const box of this.box.querySelectorAll(".fields")) {
      const [prompt, slider, at] = box.children;
      if (prompt.value !== this.prompt) prompt.value = this.prompt;
      slider.value = this.share;
      at.textContent = `t/T ${this.share.toFixed(2)}`;
    }
  }

  ready(name, parts) {
    this.panels[name].querySelector(".ask").replaceChildren(...parts);
  }

  /** Another picture: what was looked at is looked at again. */
  again() {
    for (const name of ["trip", "forward", "words"]) if (this.panels[name].dataset.done) this.run(name);
  }

  async run(name) {
    const { tab, details } = this;
    if (this.running) return (this.next = name);
    this.running = true;
    const box = this.panels[name];
    const go = box.querySelector(".ask button.act");
    go.disabled = true;
    box.dataset.state = "going";
    tab.tell(null);
    const there = tab.details?.loaded || (await tab.load(details.id));
    const [question, show] = SHOWN[name];
    const told = there && (await tab.ask(question, { id: details.id, share: this.share, prompt: this.prompt, ...this.chosen }));
    this.running = false;
    go.disabled = false;
    box.dataset.state = told ? "done" : "";
    if (told && this.details.id === details.id) {
      box.dataset.done = "1";
      show(box.querySelector(".made"), told, details);
      tab.root.dataset.look = name;
      tab.measure();
    }
    const { next } = this;
    this.next = null;
    if (next && this.details.id === details.id) this.run(next);
  }
}

function panel(key) {
  const box = element("section", `panel ${key}`);
  box.append(element("h4", "", say(key)), typeset(element("p", "hint"), say(`${key}_hint`)), element("div", "ask"), element("div", "made"));
  return box;
}

function data(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = reject;
    reader.readAsDataURL(file);
  });
}

function shown(src, caption, more = null) {
  const box = element("figure");
  const plate = element("div", "plate");
  plate.append(Object.assign(element("img"), { src, alt: caption }));
  if (more) plate.append(more);
  box.append(plate, typeset(element("figcaption"), caption));
  return box;
}

function figures(pairs) {
  const list = element("dl", "cells");
  for (const [key, value] of pairs) {
    const cell = element("div");
    cell.append(element("dt", "", say(key)), element("dd", "", value));
    cell.dataset.figure = key;
    list.append(cell);
  }
  return list;
}

function trip(box, { trip: t }) {
  const db = (value) => (value >= 99 ? "∞" : `${value.toFixed(1)} dB`);
  const row = element("div", "plates");
  row.append(
    shown(t.picture, say("models_trip_picture", { side: t.side })),
    shown(t.state, say("models_trip_state", { shape: t.latent.join(" × ") })),
    shown(t.again, say("models_trip_again")),
    shown(t.difference, say("models_trip_difference", { gain: t.gain })),
  );
  if (t.tiny) row.append(shown(t.tiny, say("models_trip_tiny", { psnr: db(t.tiny_psnr) })));
  box.replaceChildren(row, figures([
    ["models_psnr", db(t.psnr)],
    ["models_ssim", t.ssim === null ? "–" : t.ssim.toFixed(3)],
    ["models_rmse", t.rmse.toFixed(2)],
    ["models_fewer", `${short(t.fewer)} ×`],
    ["models_state_mean", short(t.mean, 2)],
    ["models_state_std", short(t.std)],
    ["models_encode_ms", `${t.encode_ms.toFixed(0)} ms`],
    ["models_decode_ms", `${t.decode_ms.toFixed(0)} ms`],
  ]));
}

function forward(box, { forward: f }) {
  const row = element("div", "plates");
  const [rows, columns] = f.tokens;
  const grid = rows ? tokenGrid(rows, columns) : null;
  row.append(
    shown(f.picture, rows ? say("models_tokens", { rows, columns, n: rows * columns, side: f.side / columns }) : say("models_trip_picture", { side: f.side }), grid),
    shown(f.xt, say("models_forward_xt", { t: short(f.t) })),
    shown(f.x0, say("models_forward_x0")),
  );
  if (f.variance) row.append(shown(f.variance, say("models_variance", { low: short(f.variances[0], 2), mean: short(f.variances[1], 2), high: short(f.variances[2], 2) })));
  const drawn = f.kind === "unet" ? drawU(f.blocks) : drawStack(f.blocks);
  box.replaceChildren(row, drawn, figures([
    ["models_logsnr", short(f.logsnr)],
    ["models_blocks", String(f.blocks.length)],
    ["models_forward_ms", `${f.ms.toFixed(0)} ms`],
  ]));
}

function words(box, { attention }) {
  drawWords(box, attention, shown);
}

function gates(box, { gates: g }) {
  box.replaceChildren(...drawGates(g));
}

const SHOWN = { trip: ["round_trip", trip], forward: ["forward", forward], words: ["attention", words], gates: ["gates", gates] };
