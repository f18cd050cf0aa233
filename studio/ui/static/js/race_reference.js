// The references: the flow's own end under each guidance, beside the lanes that are measured by it.

import { Pane } from "./pane.js";
import { element, numbers } from "./race_words.js";
import { short } from "./plots.js";
import { say } from "./words.js";

export class References {
  constructor(grid) {
    this.grid = grid;
    this.clear();
  }

  clear() {
    for (const { box } of this.shown ?? []) box.remove();
    this.shown = [];
    this.near = []; // lane → address of its reference
  }

  /** Its place is kept from the beginning, so that nothing moves when it comes. */
  expect(race) {
    this.clear();
    if (!race.request.reference) return;
    const made = this.frame();
    made.facts.textContent = say("race_reference_later");
    made.plate.classList.add("blank");
    this.shown.push({ ...made, png: null });
  }

  frame() {
    const box = element("figure", "lane reference");
    const caption = element("figcaption");
    caption.append(element("b", "no", "∞"), element("span", "name", say("race_the_reference")));
    const plate = element("div", "plate");
    const canvas = element("canvas");
    canvas.setAttribute("role", "img");
    canvas.width = canvas.height = 1;
    plate.append(canvas);
    const [facts, details] = [element("p", "facts"), element("p", "details")];
    box.append(caption, plate, element("div", "nfe"), facts, details);
    this.grid.append(box);
    return { box, plate, canvas, facts, details };
  }

  fill(race) {
    this.clear();
    const { references, rows } = race.result;
    for (const { lane, reference } of rows) if (reference !== null) this.near[lane] = references[reference].png;
    references.forEach((reference, place) => {
      const { box, plate, canvas, facts, details } = this.frame();
      const of = rows.filter((row) => row.reference === place).map((row) => row.lane);
      canvas.setAttribute("aria-label", say("race_alt_reference", { lanes: numbers(of) }));
      const words = { sampler: reference.sampler, n: reference.nfe, error: short(reference.error, 2) };
      facts.textContent = say("race_reference_facts", words);
      details.textContent = references.length > 1 ? say("race_reference_of", { lanes: numbers(of), scale: reference.scale }) : say("race_reference_error", words);
      const pane = new Pane(canvas, () => plate.clientWidth || 1);
      this.shown.push({ box, pane, png: reference.png });
    });
  }

  /** The address of the picture that a lane is measured by, if there is one. */
  of(lane) {
    return this.near[lane];
  }

  show() {
    for (const { pane, png } of this.shown) if (png) pane.show(png, "lanczos");
  }

  paint() {
    for (const { pane } of this.shown) pane?.paint();
  }
}
