// All lanes on one axis of evaluations: each asked state a tick, and how far along the way it was.

import { colour } from "./race_words.js";
import { figure as numeral, say } from "./words.js";
import { figure, make, plot, ticks } from "./plots.js";

const ROW = 20;

export class Way {
  constructor(box) {
    this.race = null;
    this.tracks = figure(say("race_way_tracks"), (svg) => this.race && this.drawTracks(svg));
    this.lines = figure(say("race_way_lines"), (svg) => this.race && this.drawLines(svg));
    this.tracks.box.classList.add("tracks");
    box.append(this.tracks.box, this.lines.box);
  }

  /** `place` is where the scrubber stands, {axis, at}, or null while the race goes. */
  draw(race, place) {
    this.race = race;
    this.place = place;
    this.tracks.draw();
    this.lines.draw();
  }

  drawTracks(svg) {
    const { race } = this;
    const width = Math.max(svg.clientWidth, 160);
    const [left, right] = [24, 64];
    const height = race.lanes.length * ROW + 22;
    const most = race.most();
    const across = (nfe) => left + (nfe / most) * (width - left - right);
    const [low, high] = race.span();
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", say("race_way_tracks"));
    const parts = [];
    for (const nfe of ticks(0, most, Math.min(most, width > 300 ? 6 : 4)).filter(Number.isInteger)) {
      parts.push(make("line", { class: "grid", x1: across(nfe), x2: across(nfe), y1: 2, y2: height - 18 }));
      parts.push(text(String(nfe), across(nfe), height - 5, "middle"));
    }
    race.lanes.forEach((lane, k) => {
      const y = k * ROW + ROW / 2 + 2;
      const style = `--lane: ${colour(k)}`;
      const stopped = ["stopped", "failed"].includes(lane.state);
      parts.push(text(String(k + 1), left - 9, y + 3.5, "end", "tick no", style));
      parts.push(make("line", { class: "whole", x1: across(0), x2: across(race.total(lane)), y1: y, y2: y }));
      parts.push(make("line", { class: "asked", style, x1: across(0), x2: across(lane.nfe ?? 0), y1: y, y2: y }));
      const crowded = lane.trail.length > 80 ? Math.ceil(lane.trail.length / 80) : 1;
      for (const [nfe, logsnr, index] of lane.trail) {
        if (index % crowded) continue;
        const share = logsnr === null ? 1 : Math.max(0, Math.min(1, (logsnr - low) / (high - low || 1)));
        parts.push(make("circle", { class: "state", style: `${style}; fill-opacity: ${(0.12 + 0.88 * share).toFixed(3)}`, cx: across(nfe), cy: y, r: 3.2 }));
      }
      if (lane.state === "done") parts.push(make("rect", { class: "end", style, x: across(lane.nfe) - 4, y: y - 4, width: 8, height: 8 }));
      const last = lane.trail.at(-1);
      const said = stopped ? say("race_stopped_lane") : last ? numeral(last[1] ?? high, 1) : "";
      if (said) parts.push(text(said, width, y + 3.5, "end"));
    });
    if (this.place?.axis === "nfe") parts.push(head(across(Math.min(this.place.at, most)), height - 18));
    svg.replaceChildren(...parts);
    svg.dataset.drawn = String(width);
  }

  drawLines(svg) {
    const { race } = this;
    const [low, high] = race.span();
    const lines = [];
    const dots = [];
    race.lanes.forEach((lane, k) => {
      const points = lane.trail.map(([nfe, y]) => [nfe, Math.max(low, Math.min(high, y ?? high))]);
      lines.push({ points, name: `lane-${k}` });
      if (points.length) dots.push({ points: points.length < 40 ? points : [points.at(-1)], name: `lane-${k}` });
    });
    const marks = this.place?.axis === "nfe" ? [{ at: this.place.at, name: "head" }] : [];
    const spec = { x: [0, race.most()], y: [Math.floor(low), Math.ceil(high)], lines, dots, marks, xLabel: say("race_axis_nfe"), height: Math.max(150, race.lanes.length * ROW + 22) };
    plot(svg, spec, say("race_way_lines"));
  }
}

function head(x, height) {
  return make("line", { class: "mark head", x1: x, x2: x, y1: 0, y2: height });
}

function text(said, x, y, anchor, name = "tick", style = "") {
  const made = make("text", { class: name, x, y, "text-anchor": anchor, style });
  made.textContent = said;
  return made;
}

