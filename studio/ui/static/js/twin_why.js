// Why these lanes differ, in words: from the lanes themselves, one sentence for each reason there is.

import { short } from "./plots.js";
import { node } from "./twin_controls.js";
import { typeset } from "./typeset.js";
import { say } from "./words.js";

export function why(list, made) {
  list.replaceChildren(...reasons(made).map((text) => typeset(node("li"), text)));
}

function reasons(made) {
  const { lanes, race } = made;
  const out = [];
  const named = (k) => `${k + 1}`;
  const steady = lanes.filter((ran) => !ran.stochastic);
  if (steady.length > 1) out.push(say("twin_why_flow"));
  lanes.forEach((ran, k) => {
    if (ran.same_as !== null) out.push(say("twin_why_same", { one: named(k), other: named(ran.same_as) }));
  });
  if (lanes.some((ran) => ran.stochastic)) out.push(say("twin_why_noise"));
  if (steady.some((ran) => ran.rmse > 4 * ran.median)) out.push(say("twin_why_tail"));
  const twice = lanes.filter((ran) => ran.nfe > 1.5 * ran.lane.steps);
  if (twice.length) out.push(say("twin_why_nfe", { lanes: twice.map((ran) => ran.label).join(", ") }));
  const ways = new Set(lanes.map((ran) => ran.way));
  if (ways.size > 1) out.push(say("twin_why_start"));
  const paths = new Map(lanes.map((ran) => [ran.lane.path, ran.straightness]));
  if (paths.size > 1) out.push(say("twin_why_path", { list: [...paths].map(([path, value]) => `${say(`twin_path_${path}`)} ${short(value, 2)}`).join(", ") }));
  if (paths.has("flow")) out.push(say("twin_why_straight", { value: short(paths.get("flow"), 2) }));
  if (lanes.some((ran) => ran.lane.sampler === "lcm")) out.push(say("twin_why_lcm"));
  if (lanes.some((ran) => ran.lane.sampler === "annealed_langevin")) out.push(say("twin_why_langevin"));
  if (lanes.some((ran) => ran.lane.sampler === "predictor_corrector")) out.push(say("twin_why_corrector"));
  if (race.steering.kind !== "none") out.push(say("twin_why_guided"));
  if (race.steering.kind === "classifier") out.push(say("twin_why_classifier"));
  return out;
}
