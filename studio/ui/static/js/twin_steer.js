// Guidance, drawn exactly: the two fields, what guidance makes of them, and the density it does not draw from.

import { short } from "./plots.js";
import { node } from "./twin_controls.js";
import { components, density, field, product } from "./twin_math.js";
import { REACH, arrows, dots, fitted, heat } from "./twin_pane.js";
import { typeset } from "./typeset.js";
import { say } from "./words.js";

const SIDE = 112;
const WHICH = ["uncond", "cond", "guided", "product"];

export class Steer {
  constructor(twin) {
    this.twin = twin;
    this.box = twin.part("steer");
    this.index = 0;
    this.canvases = {};
    const row = node("div", { className: "fields-row" });
    for (const which of WHICH) {
      const canvas = node("canvas", { width: 1, height: 1 });
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", say(`twin_field_${which}`));
      const made = node("figure");
      const plate = node("div", { className: "plate" });
      plate.append(canvas);
      made.dataset.which = which;
      made.append(node("figcaption", { textContent: say(`twin_field_${which}`) }), plate);
      this.canvases[which] = canvas;
      row.append(made);
    }
    this.said = node("p", { className: "said" });
    this.box.append(node("h3", { textContent: say("twin_steer_title") }), row, this.said);
  }

  take(made) {
    this.made = made;
    this.index = Math.min(this.index, made.lanes.length - 1);
    this.tell();
  }

  /** The lane whose ends stand in the last square. */
  follow(index) {
    if (index < 0 || !this.made || index >= this.made.lanes.length) return;
    this.index = index;
    this.tell();
    this.paint();
  }

  tell() {
    if (this.made.race.steering.kind === "none") return;
    const { ideal_gap: gap, ideal_floor: floor, lanes } = this.made;
    const ran = lanes[this.index];
    typeset(this.said, say("twin_steer_said", { label: ran.label, gap: short(ran.gap.sliced, 2), floor: short(this.made.floor.sliced, 2), exact: short(gap.sliced, 2), few: short(floor.sliced, 2) }));
  }

  paint() {
    const { mixtures, palette, clock, courses } = this.twin;
    const steering = this.made?.race.steering; // of what was raced, whatever is asked next
    this.box.hidden = !steering || steering.kind === "none";
    if (this.box.hidden) return;
    const data = mixtures.find((one) => one.id === this.made.data.id);
    const angle = clock.by === "nfe" ? (courses[this.index]?.place(clock).angle ?? 0) : clock.angle;
    for (const which of WHICH.slice(0, 3)) {
      const view = fitted(this.canvases[which]);
      if (!view) continue;
      const label = which === "uncond" ? null : steering.label;
      heat(view, density(components(data, label), angle, SIDE, REACH), palette.heat, which === "guided" ? 0.3 : 0.62);
      arrows(view, field(data, steering, Math.max(angle, 0.02), which), which === "guided" ? palette.signal : palette.quiet);
    }
    const view = fitted(this.canvases.product);
    if (!view) return;
    heat(view, product(data, steering.label, steering.scale, SIDE, REACH), palette.heat, 0.75);
    const course = courses[this.index];
    if (course) dots(view, course.cloud.at(course.cloud.frames - 1), palette.signal);
  }
}
