// Errors over evaluations: which rungs to climb, the log-log plot as it fills, the fitted orders.

import { button, colour, element, saySentence } from "./race_words.js";
import { figure, plot, short } from "./plots.js";
import { say, sayText } from "./words.js";

const RUNGS = [5, 10, 20, 40, 80, 160, 200];
const USUAL = [5, 10, 20, 40, 80];
const HEIGHT = 300;

export class Ladder {
  constructor({ element: root, props, trigger, watch }) {
    this.box = root.querySelector(".race_ladder");
    this.box.ladder = this;
    this.props = props;
    this.rungs = new Set(USUAL);
    this.race = null;
    this.told = null;
    const head = element("div", "race-bar");
    head.append(element("h3", "", say("race_ladder")));
    this.choices = element("span", "choose words");
    this.choices.setAttribute("role", "group");
    this.choices.setAttribute("aria-label", say("race_rungs"));
    this.choices.append(element("span", "lead", say("race_rungs")), ...RUNGS.map((rung) => this.rung(rung)));
    this.go = button("act", say("race_climb"), say("race_climb_title"), () => {
      trigger("submit", { recipe: this.race.request.recipe, ladder: [...this.rungs] });
      this.climbing = true;
      this.draw();
    });
    this.go.id = "race_climb";
    this.stop = button("act", say("race_climb_stop"), "", () => {
      trigger("stop");
      this.climbing = false;
      this.stopped = true;
      this.draw();
    });
    this.stop.id = "race_climb_stop";
    head.append(this.choices, this.go, this.stop);
    this.cost = element("p", "hint");
    this.progress = element("div", "race-progress");
    this.progress.append(element("span"));
    this.plot = figure(say("race_ladder_plot"), (svg) => this.told && this.drawPlot(svg));
    this.fits = element("ul", "fits");
    this.plotted = element("div", "ladder-row");
    this.plotted.append(this.plot.box, this.fits);
    this.box.append(head, this.cost, this.progress, this.plotted);
    watch("value", () => this.take(props.value));
    this.draw();
    const shown = document.querySelector(".race")?.stage?.race; // it may have been there first
    if (shown) this.offer(shown);
  }

  rung(value) {
    const chosen = button("", String(value), say("race_rung", { n: value }), () => {
      if (!this.rungs.delete(value)) this.rungs.add(value);
      this.draw();
    });
    chosen.dataset.rung = String(value);
    return chosen;
  }

  /** A race that is there to be climbed for; one that is recorded brings its ladder along. */
  offer(race) {
    const other = this.race?.id !== race.id;
    this.race = race;
    if (other) this.told = null;
    const brought = race.result?.convergence ?? race.message.convergence;
    if (brought && !this.told) this.told = { kind: "climbed", lanes: race.lanes, ...brought };
    this.draw();
  }

  take(message) {
    if (message.kind === "none") {
      this.climbing = false;
    } else {
      this.told = message;
      this.climbing = message.kind === "climbing" && !this.stopped;
      if (message.kind === "climbed") this.stopped = false;
    }
    this.draw();
  }

  draw() {
    this.box.dataset.state = this.climbing ? "climbing" : this.told ? "climbed" : "none";
    this.box.hidden = !this.race;
    this.buttons();
    this.cost.textContent = this.price();
    const m = this.climbing && this.told?.measuring;
    this.progress.hidden = !this.climbing;
    this.progress.firstChild.style.width = m ? `${(100 * m.done) / Math.max(m.total, 1)}%` : "0";
    this.plotted.hidden = !this.told;
    if (!this.told) return;
    this.plot.draw();
    this.fits.replaceChildren(...this.lines());
  }

  buttons() {
    const ready = this.race?.ended && this.rungs.size > 0 && !this.climbing;
    this.go.disabled = !ready;
    this.stop.hidden = !this.climbing;
    if (!this.climbing) this.stopped = false;
    for (const chosen of this.choices.querySelectorAll("button")) {
      chosen.setAttribute("aria-pressed", String(this.rungs.has(Number(chosen.dataset.rung))));
      chosen.disabled = this.climbing;
    }
  }

  /** What climbing would ask: evaluations, and seconds as far as this race tells. */
  price() {
    if (this.climbing) {
      const m = this.told?.measuring;
      return m ? say("race_measured", { doing: sayText(m.doing), done: m.done, total: m.total }) : say("race_climbing");
    }
    if (!this.rungs.size) return say("race_rungs_none");
    const methods = new Set((this.race?.lanes ?? []).filter((lane) => !lane.noisy).map(method)).size;
    const asked = methods * [...this.rungs].reduce((sum, rung) => sum + rung, 0);
    const rows = this.race?.result?.rows ?? [];
    const each = rows.reduce((sum, row) => sum + (row.seconds ?? 0), 0) / Math.max(1, rows.reduce((sum, row) => sum + row.nfe, 0));
    const words = { methods, n: asked, seconds: Math.max(1, Math.round(asked * each)) };
    return say(each > 0 ? "race_price" : "race_price_unknown", words);
  }

  drawPlot(svg) {
    const { points, fits = [], floor, lanes } = this.told;
    if (!points.length) return svg.replaceChildren();
    const [least, most] = [Math.min(...points.map((p) => p.nfe)), Math.max(...points.map((p) => p.nfe))];
    const errors = points.map((p) => p.rmse).filter((rmse) => rmse > 0);
    const log = Math.log10;
    const low = Math.floor(log(Math.min(...errors)));
    const high = Math.ceil(log(Math.max(...errors)) + 0.001);
    const lines = [];
    const dots = [];
    lanes.forEach((_, k) => {
      const mine = points.filter((p) => p.lane === k && p.rmse > 0).map((p) => [log(p.nfe), log(p.rmse), p.used]);
      if (!mine.length) return;
      const line = mine.map(([x, y]) => [x, y]);
      lines.push({ points: line, name: `lane-${k}` });
      for (const [kind, wanted] of [["", true], [" unused", false]])
        dots.push({ points: line.filter((_, place) => mine[place][2] === wanted), name: `lane-${k}${kind}` });
    });
    for (const { lane, order, constant } of fits) {
      if (order === null || !constant) continue;
      const ends = [least, most].map((nfe) => [log(nfe), log(constant) - order * log(nfe)]);
      lines.unshift({ points: ends, name: `lane-${lane} fitted` });
    }
    if (floor > 0) lines.unshift({ points: [[log(least), log(floor)], [log(most), log(floor)]], name: "floor" });
    const rungs = [...new Set(points.map((p) => p.nfe))].sort((a, b) => a - b);
    const spare = Math.max(0.04, 0.05 * (log(most) - log(least)));
    const spec = { x: [log(least) - spare, log(most) + spare], y: [low, high], log: true, lines, dots, height: HEIGHT, xTicks: rungs.map((nfe) => [log(nfe), String(nfe)]), xLabel: say("race_axis_nfe") };
    plot(svg, spec, say("race_ladder_plot"));
  }

  /** One line a lane: its order with its error, or why there is none. */
  lines() {
    const { fits = [], lanes, points } = this.told;
    return lanes.map((lane, k) => {
      const line = element("li");
      line.style.setProperty("--lane", colour(k));
      line.append(element("b", "no", String(k + 1)), element("span", "name", lane.label), element("span", "order", this.order(lane, fits.find((fit) => fit.lane === k), points.some((p) => p.lane === k))));
      return line;
    });
  }

  order(lane, fit, climbed) {
    if (lane.noisy) return say("race_no_limit");
    if (!fit) return climbed ? "…" : "";
    if (fit.order === null) return saySentence(fit.words);
    const spread = fit.error === null ? "" : ` ± ${short(fit.error, 2)}`;
    return say("race_fitted", { order: short(fit.order), spread });
  }
}

/** Lanes that differ in their steps alone are one method. */
function method({ sampler, spacing, eta, scale }) {
  return [sampler, spacing, eta, scale].join(" ");
}

