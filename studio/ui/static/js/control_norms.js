// What a control added to each block at each step, as a small map with its numbers.

import { figure, say, sayText } from "./words.js";

/** Fill `box` with one table a control; hidden while nothing was added. */
export function norms(figureBox, box, message) {
  const steps = (message.norms ?? []).filter((step) => step);
  const count = message.controls?.length ?? 0;
  const blocks = Math.max(0, ...steps.flatMap((step) => step.map((values) => values.length)));
  figureBox.hidden = !blocks;
  if (!blocks) return box.replaceChildren();
  const key = `${message.run} ${steps.length}`;
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  const most = Math.max(...steps.flat(2), 1e-9);
  box.replaceChildren(...Array.from({ length: count }, (_, place) => table(message, place, most)));
}

function table(message, place, most) {
  const made = document.createElement("table");
  made.className = "norm-map";
  made.createCaption().textContent = say("control_norms_of", { place: place + 1, control: sayText(message.controls[place].title) });
  const steps = Array.from({ length: message.total }, (_, k) => message.norms[k]?.[place] ?? []);
  const blocks = Math.max(...steps.map((values) => values.length));
  for (let block = 0; block < blocks; block++) {
    const row = made.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = say("control_block", { block });
    row.append(head);
    steps.forEach((values, step) => {
      const cell = row.insertCell();
      const value = values[block];
      cell.style.setProperty("--heat", value === undefined ? 0 : Math.sqrt(value / most));
      cell.title = say("control_cell", { block, step: step + 1, value: figure(value, 4) });
      const spoken = document.createElement("span");
      spoken.className = "spoken";
      spoken.textContent = figure(value, 4);
      cell.append(spoken);
    });
  }
  return made;
}
