// Beside the prompt: its length in tokens, styles to put on, lists of words to draw from.

import { say, sayMessage } from "./words.js";

export const MOUNTS = { prompt_tokens: mountTokens, prompt_tools: mountTools };

function mountTokens({ element, props, watch }) {
  const box = element.querySelector(".prompt_tokens");
  const fill = () => {
    const v = props.value;
    box.hidden = v.kind === "none";
    box.dataset.kind = v.kind;
    box.classList.toggle("warned", v.kind === "problem" || v.unread > 0);
    if (v.kind === "problem") box.textContent = sayMessage(v.message);
    if (v.kind !== "tokens") return;
    const key = v.unread ? "tokens_unread" : v.pieces > 1 ? "tokens_pieces" : "tokens_of";
    box.textContent = say(key, v);
  };
  fill();
  watch("value", fill);
}

function mountTools({ element, props, trigger, watch }) {
  const box = element.querySelector(".prompt_tools");
  const styles = line("prompt_styles", props.value.styles.map((id) => {
    const button = chip(say(`style_${id}`), say("prompt_style_title"), () => trigger("select", { style: id }));
    button.dataset.style = id;
    return button;
  }));
  const lists = line("prompt_lists", Object.entries(props.value.lists).map(([name, words]) =>
    chip(`__${name}__`, `${words.join(", ")} …`, () => append(`__${name}__`))));
  const hint = document.createElement("p");
  hint.className = "hint";
  hint.textContent = say("prompt_syntax");
  box.append(styles, lists, hint);
  const mark = () => {
    for (const button of styles.querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(button.dataset.style === props.value.worn));
  };
  mark();
  watch("value", mark);
}

function line(title, chips) {
  const box = document.createElement("div");
  box.className = "chips";
  const lead = document.createElement("span");
  lead.className = "chips-title";
  lead.textContent = say(title);
  box.append(lead, ...chips);
  return box;
}

function chip(text, title, act) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "chip", textContent: text, title });
  button.addEventListener("click", act);
  return button;
}

/** Put words where the caret is, or at the end. */
function append(text) {
  const field = document.querySelector("#prompt textarea");
  const at = document.activeElement === field ? field.selectionStart : field.value.length;
  const before = field.value.slice(0, at);
  field.value = `${before}${before && !before.endsWith(" ") ? " " : ""}${text}${field.value.slice(at)}`;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
