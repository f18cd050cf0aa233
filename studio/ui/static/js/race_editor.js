// The lanes' editor: what is raced, how it is made fair, ready-made sets; it tells equal lanes.

import { button, colour, element, sameWalks, saySentence } from "./race_words.js";
import { say, sayText } from "./words.js";

const WAIT = 250; // ms after the last change, before the server is asked

export class Editor {
  constructor({ element: root, props, server, watch }) {
    this.box = root.querySelector(".race_editor");
    this.props = props;
    this.server = server;
    this.asked = 0;
    this.known = { steps: [], same: [] };
    this.head = element("div", "fair");
    this.sets = element("div", "chips presets");
    this.list = element("ol", "lane-list");
    this.foot = element("div", "lane-foot");
    this.same = element("p", "lane-same");
    this.same.setAttribute("role", "status");
    this.box.append(this.head, this.sets, this.list, this.foot, this.same);
    this.layHead();
    this.laySets();
    this.draw();
    this.ask();
    watch("value", () => {
      if (props.value === this.mine) return;
      this.draw();
      this.ask();
    });
    for (const id of ["race_scale", "race_model"]) document.getElementById(id)?.addEventListener("input", () => this.later());
  }

  get value() {
    return this.props.value;
  }

  /** Change the value; lanes are laid out anew where their number or kind changed. */
  set(change, anew = false) {
    this.mine = { ...this.value, ...change };
    this.props.value = this.mine;
    if (anew) this.draw();
    this.later();
  }

  lane(place, change) {
    this.set({ lanes: this.value.lanes.map((lane, k) => (k === place ? { ...lane, ...change } : lane)) }, "sampler" in change);
  }

  layHead() {
    const kinds = element("span", "choose words");
    kinds.setAttribute("role", "group");
    kinds.setAttribute("aria-label", say("race_fair"));
    this.modes = ["nfe", "steps"].map((mode) => {
      const chosen = button("", say(`race_fair_${mode}`), say(`race_fair_${mode}_hint`), () => this.mode(mode));
      chosen.dataset.mode = mode;
      return chosen;
    });
    kinds.append(...this.modes);
    this.budget = number("race_budget", 1, (value) => this.amount(value));
    this.hint = element("p", "fair-hint");
    const label = element("label", "budget");
    this.budgetWord = element("span");
    label.append(this.budgetWord, this.budget);
    this.head.append(element("span", "title", say("race_fair")), kinds, label, this.hint);
  }

  laySets() {
    this.sets.append(element("span", "chips-title", say("race_presets")));
    for (const [name, lanes] of Object.entries(this.value.presets)) {
      const chip = button("chip", say(`race_preset_${name}`), say(`race_preset_${name}_hint`), () => {
        const steps = this.value.mode === "steps" ? this.value.steps ?? 20 : 20;
        this.set({ lanes: lanes.map((lane) => ({ ...lane, steps })) }, true);
      });
      chip.dataset.preset = name;
      this.sets.append(chip);
    }
  }

  mode(mode) {
    if (mode === this.value.mode) return;
    // Going over to steps, the lanes keep those that fair evaluations gave them.
    const kept = mode === "steps" ? { lanes: this.value.lanes.map((lane, k) => ({ ...lane, steps: this.known.steps[k] ?? lane.steps })) } : {};
    this.set({ mode, ...kept }, true);
  }

  /** The number beside the mode: evaluations for each lane, or steps for all of them. */
  amount(value) {
    if (this.value.mode === "nfe") return this.set({ nfe: value });
    this.set({ steps: value, lanes: this.value.lanes.map((lane) => ({ ...lane, steps: value })) }, true);
  }

  draw() {
    const { mode, nfe, lanes, most } = this.value;
    for (const chosen of this.modes) chosen.setAttribute("aria-pressed", String(chosen.dataset.mode === mode));
    this.budgetWord.textContent = say(`race_budget_${mode}`);
    const steps = new Set(lanes.map((lane) => lane.steps));
    if (document.activeElement !== this.budget) this.budget.value = mode === "nfe" ? nfe : steps.size === 1 ? [...steps][0] : "";
    this.hint.textContent = say(`race_fair_${mode}_hint`);
    const focus = this.focused();
    this.list.replaceChildren(...lanes.map((lane, place) => this.row(lane, place)));
    this.refocus(focus);
    const add = button("act", say("race_add"), "", () => this.add());
    add.id = "race_add";
    add.disabled = lanes.length >= most;
    this.foot.replaceChildren(add, element("span", "count", say("race_count", { n: lanes.length, most })));
    this.told();
  }

  row(lane, place) {
    const { samplers, spacings, lanes, most, mode } = this.value;
    const row = element("li", "lane-row");
    row.style.setProperty("--lane", colour(place));
    row.dataset.place = String(place);
    const sampler = choose("race_lane_sampler", samplers, lane.sampler, (id) => this.lane(place, { sampler: id }));
    const known = samplers.find(({ id }) => id === lane.sampler);
    if (known) sampler.title = sayText(known.hint);
    const steps = number("race_lane_steps", lane.steps, (value) => this.lane(place, { steps: value }));
    steps.disabled = mode === "nfe";
    const copy = button("icon", "copy", say("race_copy", { n: place + 1 }), () => this.add(place));
    copy.disabled = lanes.length >= most;
    const remove = button("icon", "remove", say("race_remove", { n: place + 1 }), () =>
      this.set({ lanes: lanes.filter((_, k) => k !== place) }, true));
    remove.disabled = lanes.length <= 2;
    const spacing = choose("race_lane_spacing", spacings, lane.spacing, (id) => this.lane(place, { spacing: id }));
    const eta = number("race_lane_eta", lane.eta, (value) => this.lane(place, { eta: value }), 0.1);
    eta.disabled = !known?.eta;
    const scale = number("race_lane_scale", lane.scale ?? "", (value) => this.lane(place, { scale: value }), 0.5);
    scale.placeholder = say("race_lane_scale_shared");
    const upper = element("div", "upper");
    upper.append(element("b", "no", String(place + 1)), sampler, labelled("race_word_steps", steps), copy, remove);
    const lower = element("div", "lower");
    lower.append(labelled("race_word_spacing", spacing), labelled("race_word_eta", eta), labelled("race_word_scale", scale));
    row.append(upper, lower);
    return row;
  }

  /** A lane more: a copy of one, or the next sampler that none has yet. */
  add(copied) {
    const { lanes } = this.value;
    const made = copied === undefined ? { ...lanes.at(-1), ...this.next(), eta: 0, scale: null } : { ...lanes[copied] };
    const place = copied === undefined ? lanes.length : copied + 1;
    this.set({ lanes: lanes.toSpliced(place, 0, made) }, true);
  }

  /** A sampler and a spacing that no lane has together yet. */
  next() {
    const { lanes, samplers, spacings } = this.value;
    const first = spacings.find(({ id }) => id === lanes.at(-1).spacing) ?? spacings[0];
    for (const spacing of [first, ...spacings])
      for (const sampler of samplers)
        if (!lanes.some((lane) => lane.sampler === sampler.id && lane.spacing === spacing.id)) return { sampler: sampler.id, spacing: spacing.id };
    return {};
  }

  later() {
    clearTimeout(this.due);
    this.due = setTimeout(() => this.ask(), WAIT);
  }

  /** Have the lanes checked: their fair steps, and which of them are one walk. */
  async ask() {
    const number = ++this.asked;
    const scale = Number(document.querySelector("#race_scale input")?.value);
    const { mode, nfe, lanes } = this.value;
    let answer;
    try {
      const model = document.querySelector("#race_model input:checked")?.value ?? "";
      answer = await this.server.check({ value: { mode, nfe, lanes }, scale, model });
    } catch {
      return; // out of reach: the race itself will say so
    }
    if (number !== this.asked) return;
    this.known = answer.problem ? { steps: [], same: [], problem: answer.problem } : answer;
    this.told();
  }

  told() {
    const { steps, same, problem } = this.known;
    this.box.dataset.checked = String(this.asked);
    if (this.value.mode === "nfe")
      [...this.list.children].forEach((row, place) => {
        if (steps[place]) row.querySelector(".steps").value = steps[place];
      });
    this.same.classList.toggle("bad", !!problem);
    this.same.textContent = problem ? saySentence(problem) : sameWalks(same);
    this.same.hidden = !this.same.textContent;
  }

  focused() {
    const field = document.activeElement;
    const row = field?.closest?.(".lane-row");
    return row && this.list.contains(row) ? [Number(row.dataset.place), [...row.querySelectorAll("select, input, button")].indexOf(field)] : null;
  }

  refocus(focus) {
    if (!focus) return;
    const row = this.list.children[Math.min(focus[0], this.list.children.length - 1)];
    row?.querySelectorAll("select, input, button")[focus[1]]?.focus();
  }
}

function choose(name, offered, chosen, act) {
  const select = element("select", name.replace("race_lane_", ""));
  select.setAttribute("aria-label", say(name));
  for (const { id, label } of offered) {
    const option = element("option", "", sayText(label));
    option.value = id;
    select.append(option);
  }
  select.value = chosen;
  select.addEventListener("change", () => act(select.value));
  return select;
}

/** A number field; what does not parse is handed on as it is, and gets its sentence. */
function number(name, value, act, step = 1) {
  const field = element("input", name.replace("race_lane_", ""));
  field.type = "number";
  field.id = name.startsWith("race_lane_") ? "" : name;
  field.step = String(step);
  field.min = "0";
  field.setAttribute("aria-label", say(name));
  field.value = value;
  field.addEventListener("input", () => act(field.value === "" ? null : Number(field.value)));
  return field;
}

function labelled(key, field) {
  const label = element("label");
  label.append(element("span", "", say(key)), field);
  return label;
}
