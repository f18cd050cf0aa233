// Lanes of a race: what main.js mounts, by the kind that the section's components name.

import { Editor } from "./race_editor.js";
import { Ladder } from "./race_ladder.js";
import { RaceStage } from "./race_stage.js";
import { button, element } from "./race_words.js";
import { say, sayMessage } from "./words.js";

export const MOUNTS = {
  race: (parts) => new RaceStage(parts),
  race_editor: (parts) => new Editor(parts),
  race_ladder: (parts) => new Ladder(parts),
  race_message: mountMessage,
  race_chips: mountChips,
};

/** The section's message line; a part of it that fails says so here too. */
function mountMessage({ element: root, props, watch }) {
  const box = root.querySelector(".race_message");
  box.tell = (message) => {
    const text = sayMessage(message);
    box.className = `race_message message ${text ? message.tone : ""}`;
    box.setAttribute("role", message.tone === "error" ? "alert" : "status");
    box.textContent = text;
    box.dataset.key = message.key ?? "";
    box.hidden = !text;
  };
  box.tell(props.value);
  watch("value", () => box.tell(props.value));
}

/** Prompts that the model knows: a click writes one into the field. */
function mountChips({ element: root, props, watch }) {
  const box = root.querySelector(".race_chips");
  box.classList.add("chips");
  const fill = () =>
    box.replaceChildren(element("span", "chips-title", say("examples")), ...props.value.examples.map((text) => button("chip", text, "", () => write(text))));
  fill();
  watch("value", fill);
}

function write(text) {
  const field = document.querySelector("#race_prompt textarea, #race_prompt input");
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
