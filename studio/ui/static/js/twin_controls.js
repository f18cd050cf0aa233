// What is raced: the mixture, its particles, its guidance; and what is drawn of it.

import { components, density } from "./twin_math.js";
import { REACH, fitted, heat } from "./twin_pane.js";
import { say } from "./words.js";

const SPEEDS = [0.25, 0.5, 1, 2, 4];

export class Controls {
  constructor(twin) {
    this.twin = twin;
    this.fields();
    this.toggles();
  }

  /** The mixtures came: a small picture of each. */
  fill() {
    const { twin } = this;
    const buttons = twin.mixtures.map((one) => {
      const button = node("button", { type: "button" });
      button.dataset.id = one.id;
      button.title = say(`twin_data_${one.id}_hint`);
      button.append(node("canvas"), node("span", { textContent: say(`twin_data_${one.id}`) }));
      button.addEventListener("click", () => {
        twin.spec.data = one.id;
        twin.spec.steering.label = Math.min(twin.spec.steering.label, one.classes.length - 1);
        this.fillClasses();
        this.press();
        twin.changed(true);
      });
      return button;
    });
    twin.part("data").setAttribute("aria-label", say("twin_data"));
    twin.part("data").replaceChildren(...buttons);
    this.press();
    this.fillClasses();
    this.recolour();
  }

  press() {
    for (const button of this.twin.part("data").children) button.setAttribute("aria-pressed", String(button.dataset.id === this.twin.spec.data));
  }

  recolour() {
    const { mixtures, palette } = this.twin;
    if (!mixtures) return;
    for (const button of this.twin.part("data").children) {
      const view = fitted(button.firstChild);
      const one = mixtures.find((each) => each.id === button.dataset.id);
      if (view) heat(view, density(components(one), 0.12, 56, REACH * 0.9), palette.heat, 1);
    }
  }

  fields() {
    const { twin } = this;
    const { spec, offer } = twin;
    const { limits } = offer;
    const particles = number(spec.particles, limits.particles[0], limits.particles[1], 100, (value) => {
      spec.particles = value;
      twin.changed();
    });
    particles.id = "twin_particles";
    const seed = node("input", { type: "text", inputMode: "numeric", value: spec.seed, id: "twin_seed", maxLength: 20 });
    seed.addEventListener("change", () => {
      spec.seed = seed.value;
      twin.changed(true);
    });
    const dice = node("button", { type: "button", className: "dice", textContent: "⚄", title: say("dice") });
    dice.setAttribute("aria-label", say("dice"));
    dice.addEventListener("click", () => {
      seed.value = spec.seed = String(Math.floor(Math.random() * 2 ** 31));
      twin.changed(true);
    });
    const seeded = node("span", { className: "joined" });
    seeded.append(seed, dice);
    const budget = number(20, 1, limits.steps, 1, (value) => this.budget(value));
    budget.id = "twin_budget";
    this.kind = choice(offer.steerings.map((id) => [id, say(`twin_steer_${id}`)]), spec.steering.kind, (value) => {
      spec.steering.kind = value;
      this.able();
      twin.changed(true);
    });
    this.kind.id = "twin_steering";
    this.label = choice([], "", (value) => {
      spec.steering.label = Number(value);
      twin.changed(true);
    });
    this.label.id = "twin_label";
    this.scale = node("input", { type: "range", min: 0, max: 10, step: 0.1, value: spec.steering.scale, id: "twin_scale" });
    this.said = node("output", { textContent: spec.steering.scale.toFixed(1) });
    this.scale.addEventListener("input", () => {
      spec.steering.scale = Number(this.scale.value);
      this.said.textContent = spec.steering.scale.toFixed(1);
      twin.changed();
    });
    const scaled = node("span", { className: "joined" });
    scaled.append(this.scale, this.said);
    this.scaled = labelled("twin_scale", scaled);
    this.labelled = labelled("twin_label", this.label);
    twin.part("fields").append(
      labelled("twin_particles", particles),
      labelled("twin_seed", seeded),
      labelled("twin_budget", budget),
      labelled("twin_steering", this.kind),
      this.labelled,
      this.scaled,
    );
    this.add = node("button", { type: "button", className: "add", id: "twin_add", textContent: `+ ${say("twin_add")}` });
    this.add.addEventListener("click", () => twin.add());
    twin.part("fields").append(this.add);
    this.able();
  }

  able() {
    const off = this.twin.spec.steering.kind === "none";
    for (const box of [this.labelled, this.scaled]) box.hidden = off;
  }

  fillClasses() {
    const { classes } = this.twin.mixture();
    this.label.replaceChildren(...classes.map((name, k) => node("option", { value: String(k), textContent: say(`twin_class_${name.replace(/\W/g, "_")}`) })));
    this.label.value = String(this.twin.spec.steering.label);
  }

  /** The same number of evaluations for every lane. */
  budget(nfe) {
    const { twin } = this;
    for (const lane of twin.spec.lanes) {
      const method = twin.offer.samplers.find((one) => one.id === lane.sampler);
      lane.steps = Math.max(1, Math.floor(nfe / (method?.evaluations ?? 1)));
    }
    twin.lay();
    twin.changed();
  }

  toggles() {
    const { twin } = this;
    const box = twin.part("toggles");
    const by = choice([["angle", say("twin_by_angle")], ["nfe", say("twin_by_nfe")]], "angle", (value) => {
      twin.clock.by = value;
      twin.show(twin.clock.share);
    });
    by.id = "twin_by";
    const speed = choice(SPEEDS.map((s) => [String(s), `${s}×`]), "1", (value) => {
      twin.speed = Number(value);
      if (twin.playing) twin.play();
    });
    speed.id = "twin_speed";
    by.setAttribute("aria-label", say("twin_by"));
    speed.setAttribute("aria-label", say("twin_speed"));
    box.append(by, speed);
    for (const name of Object.keys(twin.shown)) {
      const button = node("button", { type: "button", textContent: say(`twin_show_${name}`), id: `twin_show_${name}`, title: say(`twin_show_${name}_hint`) });
      button.className = name;
      const press = () => button.setAttribute("aria-pressed", String(twin.shown[name]));
      button.addEventListener("click", () => {
        twin.shown[name] = !twin.shown[name];
        press();
        twin.paint();
      });
      press();
      box.append(button);
    }
  }
}

export function node(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}

/** A field with its name; the hint is its title. */
export function labelled(key, field) {
  const box = node("label", { className: `field ${key}`, title: say(`${key}_hint`) });
  box.append(node("span", { textContent: say(key) }), field);
  return box;
}

/** A list to choose from: [[value, words], …]. */
export function choice(options, value, changed) {
  const select = node("select");
  select.append(...options.map(([id, words]) => node("option", { value: id, textContent: words })));
  select.value = value;
  select.addEventListener("change", () => changed(select.value));
  return select;
}

/** A number field; what is not a number in its range goes to the server all the same, which says so. */
export function number(value, min, max, step, changed) {
  const field = node("input", { type: "number", min, max, step, value });
  field.addEventListener("change", () => changed(field.value === "" ? null : Number(field.value)));
  return field;
}
