// How a lane is named, and what stands where a number is missing.

import { say, sayMessage, sayText } from "./words.js";

/** What a lane is besides its sampler: its cost, and whatever is not the usual among the lanes. */
export function details(lane, usual) {
  const parts = [say("race_steps", { n: lane.steps })];
  if (lane.noisy) parts.push(say("race_noisy"));
  else if (lane.evaluations > 1) parts.push(say("race_evaluations", { n: lane.evaluations }));
  if (lane.spacing !== usual.spacing) parts.push(sayText(lane.spaced));
  if (lane.eta) parts.push(`η ${lane.eta}`);
  if (lane.scale !== usual.scale) parts.push(say("race_guided", { scale: lane.scale }));
  return parts.join(" · ");
}

/** The guidance and the spacing that most lanes have: they are not said of each. */
export function usual(lanes) {
  return { scale: most(lanes.map((lane) => lane.scale)), spacing: most(lanes.map((lane) => lane.spacing)) };
}

/** The commonest value where there is one; nothing where every second value is another. */
function most(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const [value, count] = [...counts.entries()].sort((a, b) => b[1] - a[1])[0] ?? [];
  return count * 2 > values.length ? value : undefined;
}

/** A message of the server, translated as a whole phrase where it has no key. */
export function saySentence(message) {
  return message.key ? sayMessage(message) : sayText(message.text ?? "");
}

/** "1, 4 and 5" */
export function numbers(places) {
  const said = places.map((place) => String(place + 1));
  if (said.length < 2) return said.join("");
  return say("race_and", { first: said.slice(0, -1).join(", "), last: said.at(-1) });
}

/** The sentences about lanes that are one walk. */
export function sameWalks(groups) {
  return groups
    .map(({ lanes, why }) => say("race_same", { lanes: numbers(lanes), why: why.map(({ said }) => saySentence(said)).join(" ") }).trim())
    .join(" ");
}

/** Colours of the lanes are named by place; there are twelve. */
export const colour = (lane) => `var(--lane-${lane % 12})`;

// Lines in a square of sixteen.
const ICONS = {
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  remove: "M4 4l8 8M12 4l-8 8",
  stop: "M4.5 4.5h7v7h-7z",
  open: "M6 3.5H3.5v9h9V10M9 3.5h3.5V7M12.5 3.5l-5.5 5.5",
};

export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** A button; a `text` of ICONS is drawn, and then named by its title. */
export function button(className, text, title, act) {
  const made = element("button", className, ICONS[text] ? "" : text);
  made.type = "button";
  if (ICONS[text]) made.innerHTML = `<svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true"><path d="${ICONS[text]}"/></svg>`;
  if (title) {
    made.title = title;
    if (!/\p{L}/u.test(made.textContent)) made.setAttribute("aria-label", title);
  }
  made.addEventListener("click", act);
  return made;
}
