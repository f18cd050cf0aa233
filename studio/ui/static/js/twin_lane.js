// One lane: what it is, its square, and its numbers.

import { short } from "./plots.js";
import { choice, labelled, node, number } from "./twin_controls.js";
import { say } from "./words.js";

const TABLES = ["leading", "trailing", "linspace", "sgm_uniform", "ays"]; // an exploding path has none

export class LaneCard {
  constructor(twin, lane, index) {
    Object.assign(this, { twin, lane, index });
    this.box = node("article", { className: "lane", tabIndex: 0 });
    this.box.dataset.index = String(index);
    const { samplers } = twin.offer;
    const sampler = choice(samplers.map((one) => [one.id, one.label]), lane.sampler, (value) => this.set("sampler", value));
    sampler.className = "sampler";
    sampler.setAttribute("aria-label", say("twin_lane_sampler", { lane: index + 1 }));
    const away = node("button", { type: "button", className: "away", textContent: "×", title: say("twin_away") });
    away.setAttribute("aria-label", say("twin_away"));
    away.hidden = twin.spec.lanes.length === 1;
    away.addEventListener("click", () => twin.drop(index));
    const head = node("header");
    head.append(node("span", { className: "index", textContent: String(index + 1) }), sampler, away);
    this.options = node("details", { open: twin.opened === index });
    this.summary = node("summary");
    this.options.append(this.summary, this.form());
    this.options.addEventListener("toggle", () => {
      if (this.options.open) twin.opened = index;
      else if (twin.opened === index) twin.opened = null;
    });
    this.canvas = node("canvas", { width: 1, height: 1 });
    this.canvas.setAttribute("role", "img");
    this.now = node("p", { className: "at" });
    const plate = node("div", { className: "plate" });
    plate.append(this.canvas, this.now);
    this.numbers = node("p", { className: "told" });
    this.box.append(head, this.options, plate, this.numbers);
    for (const event of ["pointerenter", "focusin"]) this.box.addEventListener(event, () => twin.mark(index));
    for (const event of ["pointerleave", "focusout"]) this.box.addEventListener(event, () => twin.mark(-1));
    this.describe();
  }

  method() {
    return this.twin.offer.samplers.find((one) => one.id === this.lane.sampler);
  }

  form() {
    const { lane, twin } = this;
    const box = node("div", { className: "options" });
    const path = choice(twin.offer.paths.map((id) => [id, say(`twin_path_${id}`)]), lane.path, (value) => this.set("path", value));
    const able = twin.offer.spacings.filter(({ id }) => !(lane.path === "ve" && TABLES.includes(id)) && !(lane.path === "flow" && id === "ays"));
    const spacing = choice(able.map(({ id, label }) => [id, label]), lane.spacing, (value) => this.set("spacing", value));
    const steps = number(lane.steps, 1, twin.offer.limits.steps, 1, (value) => this.set("steps", value));
    box.append(labelled("twin_path", path), labelled("twin_spacing", spacing), labelled("twin_steps", steps));
    if (this.method()?.uses_eta) box.append(labelled("twin_eta", number(lane.eta, 0, 1, 0.1, (value) => this.set("eta", value))));
    return box;
  }

  set(name, value) {
    const { lane, twin } = this;
    const before = this.method();
    lane[name] = value;
    if (name === "path" && value === "ve" && TABLES.includes(lane.spacing)) lane.spacing = "karras";
    if (name === "path" && value === "flow" && lane.spacing === "ays") lane.spacing = "trailing";
    if (name === "sampler") {
      const after = this.method();
      lane.steps = Math.max(1, Math.round((lane.steps * before.evaluations) / after.evaluations));
      if (!after.uses_eta) lane.eta = 0;
    }
    twin.lay();
    twin.changed(true);
  }

  describe() {
    const { lane, twin } = this;
    const spacing = twin.offer.spacings.find((one) => one.id === lane.spacing)?.label ?? lane.spacing;
    const eta = lane.eta > 0 ? ` · η ${lane.eta}` : "";
    this.summary.textContent = `${say(`twin_path_${lane.path}`)} · ${spacing} · ${say("twin_steps_said", { steps: lane.steps })}${eta}`;
  }

  take(course) {
    this.course = course;
    const { ran } = course;
    const drawn = say("twin_said_gap", { gap: short(ran.gap.sliced, 2) });
    const error = ran.median === null ? say("twin_no_limit") : say("twin_said_error", { median: short(ran.median, 2) });
    this.numbers.replaceChildren(node("b", { textContent: say("twin_said_nfe", { nfe: ran.nfe }) }), ` · ${error} · ${drawn}`);
    this.canvas.setAttribute("aria-label", say("twin_alt", { label: ran.label, nfe: ran.nfe }));
  }

  paint(place) {
    if (!this.course) return;
    const { mixtures, made, shown, palette } = this.twin;
    const data = mixtures.find((one) => one.id === made.data.id);
    this.course.paint(this.canvas, data, made.race.steering, place, shown, palette);
    const frame = this.course.frames[Math.min(place.k + (place.share >= 1 ? 1 : 0), this.course.frames.length - 1)];
    this.now.textContent = say("twin_at", { step: frame.step, steps: this.course.ran.lane.steps, nfe: Math.round(place.nfe), ratio: short(Math.tan(place.angle), 2) });
  }
}
