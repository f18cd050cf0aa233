// Two Gaussians with sliders and their KL, and a mixture on its way to noise with its denoiser.

import { normal } from "./forward.js";
import { figure, plot, short } from "./plots.js";
import { typeset } from "./typeset.js";
import { say } from "./words.js";

const SPAN = 6;
const POINTS = 241;
const axis = Array.from({ length: POINTS }, (_, k) => -SPAN + (2 * SPAN * k) / (POINTS - 1));

/** KL(N(m1, s1²) ‖ N(m2, s2²)) in nats. */
export const kl = (m1, s1, m2, s2) => Math.log(s2 / s1) + (s1 * s1 + (m1 - m2) ** 2) / (2 * s2 * s2) - 0.5;

export function mountGaussians({ element }) {
  const box = element.querySelector(".gaussians");
  box.append(pair(), mixed());
}

function pair() {
  const at = { m1: -1, s1: 0.7, m2: 1, s2: 1.4 };
  const said = Object.assign(document.createElement("p"), { className: "said" });
  const made = figure(say("noise_plot_two"), (svg) => {
    const line = (m, s, name) => ({ name, points: axis.map((x) => [x, normal(x, m, s)]) });
    plot(svg, { x: [-SPAN, SPAN], y: [0, 1.1], lines: [line(at.m1, at.s1, "a"), line(at.m2, at.s2, "b")], height: 190 }, say("noise_plot_two"));
    said.textContent = say("noise_kl_two", { pq: short(kl(at.m1, at.s1, at.m2, at.s2)), qp: short(kl(at.m2, at.s2, at.m1, at.s1)) });
    said.dataset.pq = String(kl(at.m1, at.s1, at.m2, at.s2));
  });
  const box = Object.assign(document.createElement("div"), { className: "part", id: "two_gaussians" });
  box.append(made.box, sliders(at, { m1: ["μ₁", -4, 4], s1: ["σ₁", 0.3, 3], m2: ["μ₂", -4, 4], s2: ["σ₂", 0.3, 3] }, made.draw, { m1: "a", s1: "a", m2: "b", s2: "b" }), said);
  return box;
}

function mixed() {
  const at = { w: 0.35, m1: -2, m2: 1.6, s: 0.35, noise: 0.4, x: 0.5 };
  const said = Object.assign(document.createElement("p"), { className: "said" });
  const made = figure(say("noise_plot_mixture"), (svg) => {
    const sigma = Math.sqrt(at.noise);
    const alpha = Math.sqrt(1 - at.noise);
    const spread = Math.hypot(alpha * at.s, sigma);
    const parts = [[at.w, at.m1], [1 - at.w, at.m2]];
    const data = axis.map((x) => [x, parts.reduce((sum, [w, m]) => sum + w * normal(x, m, at.s), 0)]);
    const noisy = (x) => parts.map(([w, m]) => w * normal(x, alpha * m, spread));
    const density = (x) => noisy(x).reduce((sum, y) => sum + y, 0);
    const weights = noisy(at.x).map((y) => y / density(at.x));
    const gain = (alpha * at.s * at.s) / (spread * spread);
    const x0 = parts.reduce((sum, [, m], k) => sum + weights[k] * (m + gain * (at.x - alpha * m)), 0);
    const score = parts.reduce((sum, [, m], k) => sum + (weights[k] * (alpha * m - at.x)) / (spread * spread), 0);
    const step = axis[1] - axis[0];
    const divergence = axis.reduce((sum, x) => sum + (density(x) > 1e-300 ? density(x) * Math.log(density(x) / normal(x)) * step : 0), 0);
    plot(svg, {
      x: [-SPAN, SPAN], y: [0, 0.8], height: 190,
      lines: [{ name: "faint", points: data }, { name: "normal", points: axis.map((x) => [x, normal(x)]) }, { name: "a", points: axis.map((x) => [x, density(x)]) }],
      marks: [{ at: at.x, name: "a" }, { at: x0, name: "b" }],
    }, say("noise_plot_mixture"));
    typeset(said, say("noise_mixture_said", { x: short(at.x), x0: short(x0), score: short(score), first: short(100 * weights[0], 2), kl: short(divergence) }));
  });
  const box = Object.assign(document.createElement("div"), { className: "part", id: "mixture" });
  box.append(made.box, sliders(at, { noise: ["σ²", 0.001, 0.999], x: ["x", -4, 4], w: ["w₁", 0.02, 0.98], m1: ["μ₁", -4, 4], m2: ["μ₂", -4, 4], s: ["s", 0.1, 1.5] }, made.draw, {}), said);
  return box;
}

function sliders(at, ranges, changed, colours) {
  const box = Object.assign(document.createElement("div"), { className: "sliders" });
  for (const [name, [label, low, high]] of Object.entries(ranges)) {
    const line = document.createElement("label");
    const number = document.createElement("output");
    const input = Object.assign(document.createElement("input"), { type: "range", min: low, max: high, step: "any", value: at[name] });
    input.dataset.name = name;
    const show = () => (number.textContent = at[name].toFixed(2).replace("-", "−"));
    input.addEventListener("input", () => {
      at[name] = Number(input.value);
      show();
      changed();
    });
    show();
    line.append(Object.assign(document.createElement("span"), { className: `m ${colours[name] ?? ""}`, textContent: label }), input, number);
    box.append(line);
  }
  return box;
}
