// The Noise tab's figures: a schedule's curves with a mark at t, and the histogram of x_t.

import { histogram, normal, sampled } from "./forward.js";
import { figure, plot } from "./plots.js";
import { say } from "./words.js";

const BINS = 56;
const SPAN = 4; // of the histogram, each way
const CURVES = {
  alpha_bar: { y: [0, 1] },
  logsnr: { y: [-14, 14] },
  snr: { y: [-6, 6], log: true },
  beta: { y: [-5, 0], log: true },
  kl: { y: [-6, 1], log: true },
};

export class NoisePlots {
  /** Curves go into one box, the histogram into another; `touch(share)` is a click on a curve. */
  constructor(box, aside, touch) {
    this.figures = {};
    for (const name of Object.keys(CURVES)) {
      const made = figure(say(`noise_plot_${name}`), () => this.state && this.curve(name));
      made.box.dataset.plot = name;
      made.svg.addEventListener("click", (event) => {
        if (made.scale) touch(Math.min(Math.max(made.scale.at(event.offsetX), 0), 1));
      });
      this.figures[name] = made;
      box.append(made.box);
    }
    this.values = figure(say("noise_plot_histogram"), () => this.state && this.histogram());
    this.values.box.dataset.plot = "histogram";
    aside.append(this.values.box);
  }

  draw(forward, state, here, there) {
    Object.assign(this, { forward, state, here, there });
    for (const name of Object.keys(CURVES)) this.curve(name);
    this.histogram();
  }

  curve(name) {
    const made = this.figures[name];
    if (!made.svg.clientWidth) return;
    const { a, b } = this.forward;
    const { y, log } = CURVES[name];
    const power = (value) => (value === null || value <= 0 ? null : Math.log10(value));
    const shape = (curves) => sampled(curves, name).map(([x, value]) => [x, log ? power(value) : value]);
    const lines = [{ points: shape(a), name: "a" }];
    if (b) lines.unshift({ points: shape(b), name: "b" });
    const marks = [{ at: this.here.share, name: "a" }];
    if (this.there && Math.abs(this.there.share - this.here.share) > 1e-6) marks.unshift({ at: this.there.share, name: "b" });
    made.scale = plot(made.svg, { x: [0, 1], y, lines, marks, log, xLabel: "t/T" }, say(`noise_plot_${name}`));
  }

  histogram() {
    if (!this.values.svg.clientWidth) return;
    const bars = histogram(this.state, -SPAN, SPAN, BINS);
    const curve = Array.from({ length: 97 }, (_, k) => -SPAN + (k * 2 * SPAN) / 96).map((x) => [x, normal(x)]);
    const top = Math.max(0.5, Math.min(1.5, 1.05 * Math.max(...bars.map(([, , tall]) => tall))));
    plot(this.values.svg, { x: [-SPAN, SPAN], y: [0, top], bars, lines: [{ points: curve, name: "normal" }] }, say("noise_plot_histogram"));
  }
}
