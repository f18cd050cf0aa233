// The stage of the Control tab: the hint, both runs, where they differ, and what the control added.

import { norms } from "./control_norms.js";
import { Pane, pixels } from "./pane.js";
import { figure, fillWords, say, sayMessage, sayText } from "./words.js";

const GAIN = 2; // of the difference map

export class ControlStage {
  constructor({ element, props, server, watch }) {
    this.root = element.querySelector(".control");
    this.server = server;
    this.what = "x0";
    this.overlay = 0;
    this.hint = 0; // which control's
    this.frames = { with: new Map(), without: new Map() };
    this.message = { kind: "empty" };
    fillWords(this.root);
    const fit = () => this.side();
    this.panes = Object.fromEntries(
      ["hint", "with", "without", "difference"].map((name) => [name, new Pane(this.root.querySelector(`#control_pane_${name}`), fit)]),
    );
    for (const each of this.root.querySelectorAll("[data-what]")) each.addEventListener("click", () => this.choose(each.dataset.what));
    this.slider("control_overlay", (value) => {
      this.overlay = value;
      this.draw();
    });
    this.slider("control_scrubber", (value) => this.scrub(value));
    this.take(props.value);
    watch("value", () => this.take(props.value));
    new ResizeObserver(() => Object.values(this.panes).forEach((pane) => pane.paint())).observe(this.root);
  }

  part(name) {
    return this.root.querySelector(`[data-part="${name}"]`);
  }

  slider(id, changed) {
    const slide = this.root.querySelector(`#${id}`);
    slide.addEventListener("input", () => changed(Number(slide.value)));
    this[id] = slide;
  }

  side() {
    const panes = this.root.querySelector(".control-panes");
    const columns = getComputedStyle(panes).gridTemplateColumns.split(" ").length;
    return Math.max(96, Math.min(384, (panes.clientWidth - 14 * (columns - 1)) / columns - 2));
  }

  choose(what) {
    this.what = what;
    for (const each of this.root.querySelectorAll("[data-what]")) each.setAttribute("aria-pressed", String(each.dataset.what === what));
    this.frames = { with: new Map(), without: new Map() };
    if (this.message.ways && this.control_scrubber.disabled) this.draw();
    else this.scrub(this.at ?? this.last());
  }

  /** One message of the server; those of older runs of this tab are ignored. */
  take(message) {
    if (!message || message.number < (this.message.number ?? 0)) return;
    if (message.run !== this.message.run) {
      this.frames = { with: new Map(), without: new Map() };
      this.at = null;
      this.hint = 0;
    }
    this.message = message;
    this.offer();
    this.root.dataset.state = message.kind;
    this.root.dataset.run = message.run;
    const over = ["finished", "cancelled"].includes(message.kind);
    this.control_scrubber.disabled = !over || this.last() < 0;
    this.control_scrubber.max = Math.max(0, this.last());
    if (over) this.control_scrubber.value = this.last();
    this.say();
    this.tellStep();
    this.draw();
    this.root.dataset.done = over ? message.run : "";
  }

  /** With several controls, a button for each one's hint. */
  offer() {
    const box = this.part("hints");
    const count = this.message.hints?.length ?? 0;
    if (box.children.length !== (count > 1 ? count : 0))
      box.replaceChildren(
        ...Array.from({ length: count > 1 ? count : 0 }, (_, place) => {
          const made = Object.assign(document.createElement("button"), { type: "button", textContent: place + 1 });
          made.addEventListener("click", () => {
            this.hint = place;
            this.offer();
            this.draw();
          });
          return made;
        }),
      );
    [...box.children].forEach((each, place) => {
      each.setAttribute("aria-pressed", String(place === this.hint));
      each.title = sayText(this.message.controls[place].title);
    });
  }

  last() {
    const ways = Object.values(this.message.ways ?? {});
    return ways.length ? Math.min(...ways.map((way) => way.recorded ?? 0)) - 1 : -1;
  }

  shown(name) {
    const way = this.message.ways?.[name];
    if (!way) return "";
    if (this.at !== null && this.at !== undefined) return this.frames[name].get(this.at) ?? "";
    return (this.what === "x0" ? (way.picture ?? way.x0) : way.xt) ?? "";
  }

  async scrub(step) {
    if (step < 0) return;
    this.at = step;
    const ids = this.message.run.split(" ");
    const ask = async (name, run) => {
      if (this.frames[name].has(step)) return;
      const answer = await this.server.frames({ run, start: step, stop: step + 1, what: this.what, picture: 0 });
      if (answer.problem) this.part("why").textContent = sayMessage(answer.problem);
      else this.frames[name].set(step, answer.frames[0]);
    };
    await Promise.all([ask("with", ids[0]), ask("without", ids[1])]);
    if (this.at === step) this.draw();
    this.tellStep();
    this.control_scrubber.setAttribute("aria-valuetext", say("control_step_of", { step: step + 1, total: this.message.total }));
  }

  /** Which step is seen, as “8 / 20”. */
  tellStep() {
    const seen = this.at ?? (this.message.ways?.with.index ?? -1);
    this.part("step").textContent = seen < 0 ? "" : `${seen + 1} / ${this.message.total}`;
  }

  draw() {
    const filter = this.what === "xt" ? "nearest" : "lanczos";
    const hint = this.message.hints?.[this.hint] ?? "";
    if (hint) this.panes.hint.show(hint, "nearest");
    else this.panes.hint.clear();
    const [one, other] = [this.shown("with"), this.shown("without")];
    const { whole } = this.message.controls?.[this.hint] ?? {}; // a prompt's crop lies over nothing
    this.control_overlay.disabled = Boolean(whole);
    if (one && this.overlay > 0 && hint && !whole && this.what === "x0")
      this.panes.with.draw(`${this.overlay} ${this.hint} ${one}`, () => over(one, hint, this.overlay), filter);
    else if (one) this.panes.with.show(one, filter);
    else this.panes.with.clear();
    if (other) this.panes.without.show(other, filter);
    else this.panes.without.clear();
    if (one && other) this.panes.difference.draw(`${one} ${other}`, () => apart(one, other), filter);
    else this.panes.difference.clear();
    for (const [name, pane] of Object.entries(this.panes)) pane.canvas.setAttribute("aria-label", say(`control_alt_${name}`));
    norms(this.root.querySelector("#control_norms"), this.part("norms"), this.message);
  }

  say() {
    const { kind, ways, total, request } = this.message;
    const way = ways?.with;
    this.part("title").textContent = kind === "empty" ? say("control_empty_title") : request?.prompt || say("control_untitled");
    const step = Math.max(0, (way?.index ?? -1) + 1);
    const lines = {
      empty: () => say("control_empty"),
      starting: () => say("control_starting"),
      loading: () => say("control_loading", { model: this.message.loading.model, doing: this.message.loading.doing }),
      running: () => say("control_running", { step, total }),
      finished: () => say("control_finished", { seconds: figure(Math.max(ways.with.seconds, ways.without.seconds), 2) }),
      cancelled: () => say("control_cancelled"),
      failed: () => sayMessage(this.message.message),
    };
    this.part("subtitle").textContent = lines[kind]?.() ?? "";
    this.part("spoken").textContent = ["finished", "cancelled", "failed"].includes(kind) ? lines[kind]() : "";
    this.part("progress").style.width = `${kind === "finished" ? 100 : (100 * step) / (total || 1)}%`;
    this.part("bar").setAttribute("aria-valuenow", String(step));
    this.part("why").textContent = kind === "finished" ? say("control_why", { seed: request.seed }) : "";
    const save = this.root.querySelector("#control_save");
    save.hidden = !way?.picture;
    if (way?.picture) Object.assign(save, { href: way.picture, download: `control-s${request.seed}.png` });
    const rows = way
      ? { nfe: `${way.nfe} + ${ways.without.nfe}`, x_T: this.message.noise?.slice(0, 12) ?? "–", seed: String(request.seed) }
      : {};
    this.root.querySelector("#control_readout").replaceChildren(
      ...Object.entries(rows).map(([name, value]) => {
        const row = document.createElement("div");
        row.append(
          Object.assign(document.createElement("dt"), { textContent: say(`control_row_${name}`) }),
          Object.assign(document.createElement("dd"), { textContent: value }),
        );
        return row;
      }),
    );
  }
}

/** The hint's lines in the signal colour over the picture. */
async function over(picture, hint, share) {
  const [below, lines] = await Promise.all([pixels(picture), pixels(hint)]);
  const out = new ImageData(below.width, below.height);
  for (let y = 0; y < below.height; y++)
    for (let x = 0; x < below.width; x++) {
      const k = 4 * (y * below.width + x);
      const at = 4 * (Math.floor((y * lines.height) / below.height) * lines.width + Math.floor((x * lines.width) / below.width));
      const weight = (share * lines.data[at]) / 255;
      [232, 87, 42].forEach((value, c) => (out.data[k + c] = (1 - weight) * below.data[k + c] + weight * value));
      out.data[k + 3] = 255;
    }
  return out;
}

/** |with − without|, brightened, per pixel: dark where they agree. */
async function apart(one, other) {
  const [a, b] = await Promise.all([pixels(one), pixels(other)]);
  const out = new ImageData(a.width, a.height);
  if (a.width !== b.width || a.height !== b.height) return out;
  for (let k = 0; k < a.data.length; k += 4) {
    for (let c = 0; c < 3; c++) out.data[k + c] = GAIN * Math.abs(a.data[k + c] - b.data[k + c]);
    out.data[k + 3] = 255;
  }
  return out;
}
