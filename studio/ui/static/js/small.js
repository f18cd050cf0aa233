// The small parts of the page: the message line, the notes, the examples, the page's head.

import { recall, remember } from "./remember.js";
import { count, fillWords, say, sayMessage, sayText } from "./words.js";

/** Show a message of the server, or one of the page's own, in the fixed area. */
export function report(message) {
  const box = document.querySelector("#message .message");
  if (!box) return;
  const text = sayMessage(message);
  box.className = `message ${text ? message.tone : ""}`;
  box.setAttribute("role", message.tone === "error" ? "alert" : "status");
  box.textContent = text;
  box.dataset.key = message.key ?? "";
  box.hidden = !text;
}

export function mountMessage({ props, watch }) {
  report(props.value);
  watch("value", () => report(props.value));
}

/** Examples that work: a click writes the prompt and runs it. */
export function mountChips({ element, props, watch }) {
  const box = element.querySelector(".chips");
  const fill = () => {
    const title = document.createElement("span");
    title.className = "chips-title";
    title.textContent = say("examples");
    box.replaceChildren(title, ...props.value.examples.map((text) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "chip";
      button.textContent = text;
      button.addEventListener("click", () => useExample(text));
      return button;
    }));
  };
  fill();
  watch("value", fill);
}

function useExample(text) {
  const field = document.querySelector("#prompt textarea");
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  setTimeout(() => document.querySelector("#generate").click(), 0); // after the field's own event
}

/** A line about the model or the sampler. */
export function mountNote({ element, props, watch }) {
  const line = element.querySelector(".note");
  let fold = null;
  const fill = () => {
    line.textContent = NOTES[props.value.kind]?.(props.value) ?? "";
    if (props.value.more && !fold) line.before((fold = unfolder(props.value.more)));
    if (props.value.folded) unfold(fold, true);
  };
  fill();
  watch("value", fill);
}

/** The button that unfolds the less usual samplers, and folds them again. */
function unfolder(count) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "more";
  button.id = "more_samplers";
  button.textContent = say("more_samplers", { n: count });
  button.setAttribute("aria-controls", "sampler");
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => unfold(button, button.getAttribute("aria-expanded") === "false"));
  return button;
}

/** form.css hides the less usual ones, but for the chosen, as long as the list is not unfolded. */
function unfold(button, open) {
  button.setAttribute("aria-expanded", String(open));
  document.querySelector("#sampler")?.classList.toggle("unfolded", open);
}

const NOTES = {
  hint: (v) => sayText(v.hint),
  model: (v) =>
    say(v.parameters ? "about_model" : "about_exact", {
      family: v.family,
      knows: sayText(v.knows),
      licence: v.licence.replaceAll("-", "\u2011"),
      parameters: say("parameters_some", { count: count(v.parameters) }),
    }),
  method: (v) =>
    say("method_note", {
      hint: sayText(v.hint).replace(/[.。]$/, ""),
      evaluations: v.evaluations === 1 ? say("evaluations_one") : say("evaluations_more", { n: v.evaluations }),
      kind: say(v.stochastic ? "stochastic" : "deterministic"),
    }),
};

/** What is nearest to a prompt's words among the things the model saw. */
export function mountKnown({ element, props, watch }) {
  const box = element.querySelector(".known");
  const fill = () => {
    const { kind, known, nearest } = props.value;
    box.hidden = kind !== "known" || known;
    if (box.hidden) return box.replaceChildren();
    const lead = document.createElement("span");
    lead.textContent = nearest.length ? `${say("known_not")} ` : say("known_nothing");
    const links = nearest.map(([caption, similarity]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "chip";
      button.append(`${caption} `, Object.assign(document.createElement("small"), { textContent: similarity.toFixed(2) }));
      button.addEventListener("click", () => useExample(caption));
      return button;
    });
    box.replaceChildren(lead, ...links);
  };
  fill();
  watch("value", fill);
}

/** The page's head: the engine's state, and light or dark as the visitor last chose. */
export function mountHead({ element, props, watch }) {
  fillWords(element);
  const fill = () => {
    const status = props.value.status ?? "";
    const box = element.querySelector('[data-part="status"]');
    box.textContent = sayText(status);
    element.querySelector(".status").dataset.state = status || "unknown";
  };
  fill();
  watch("value", fill);
  const chosen = recall("xt-theme");
  if (chosen) document.body.classList.toggle("dark", chosen === "dark");
  element.querySelector(".theme").addEventListener("click", () => {
    const dark = document.body.classList.toggle("dark");
    remember("xt-theme", dark ? "dark" : "light");
  });
}
