// A cell of the grid, larger: its picture, its recipe, and the way into Generate.

import { make, take } from "./grid.js";
import { Pane } from "./pane.js";
import { figure, say } from "./words.js";

const SHOWN = ["prompt", "negative_prompt", "model", "sampler", "spacing", "steps", "scale", "rescale", "eta", "seed", "size"];

export class Enlarged {
  constructor(stage) {
    this.stage = stage;
    this.dialog = make("dialog", "grid-larger");
    this.dialog.id = "grid_larger";
    this.canvas = make("canvas", "", "", { width: 1, height: 1 });
    this.pane = new Pane(this.canvas, () => Math.min(512, window.innerWidth - 48, window.innerHeight - 220));
    const figureBox = make("figure");
    this.caption = make("figcaption");
    figureBox.append(this.canvas, this.caption);
    this.side = make("div", "side");
    this.title = make("h3");
    this.list = make("dl");
    const actions = make("div", "actions");
    this.before = this.button("‹", "grid_before", () => this.move(-1));
    this.after = this.button("›", "grid_after", () => this.move(1));
    this.generate = this.button(say("grid_open"), "", () => this.openInGenerate());
    this.generate.id = "grid_open";
    this.save = this.button(say("grid_save"), "", () => take(this.save, () => stage.server.picture(this.asked())));
    this.done = this.button(say("grid_close"), "", () => this.close());
    actions.append(this.before, this.after, this.generate, this.save, this.done);
    this.side.append(this.title, this.list, actions);
    this.dialog.append(figureBox, this.side);
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.close());
    this.dialog.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -stage.value.x.values.length, ArrowDown: stage.value.x.values.length };
      if (!(event.key in steps)) return;
      event.preventDefault();
      this.move(steps[event.key]);
    });
    document.querySelector(".gradio-container").append(this.dialog);
  }

  button(text, title, act) {
    const button = make("button", "chip", text, { type: "button" });
    if (title) {
      button.title = say(title);
      button.setAttribute("aria-label", button.title);
    }
    button.addEventListener("click", act);
    return button;
  }

  asked() {
    return { id: this.stage.value.id, index: this.index };
  }

  async open(index) {
    this.index = index;
    const answer = await this.stage.server.cell(this.asked());
    if (answer.problem || this.index !== index) return;
    const { request } = answer;
    this.dialog.dataset.index = String(index);
    this.title.textContent = this.stage.named(index);
    await this.pane.show(answer.src, "lanczos");
    this.caption.textContent = say("grid_figures", { nfe: answer.nfe, s: figure(answer.seconds, 2), width: request.width, height: request.height });
    const said = { ...request, scale: request.guidance.scale, rescale: request.guidance.rescale, size: `${request.width} × ${request.height}` };
    const own = [this.stage.value.x, this.stage.value.y].filter(Boolean).map((axis) => FIELD[axis.field] ?? axis.field);
    this.list.replaceChildren(...SHOWN.filter((name) => said[name] !== "" && !(said[name] === 0 && ["rescale", "eta"].includes(name) && !own.includes(name))).flatMap((name) => {
      const field = NAMED[name] ?? name;
      return [make("dt", own.includes(name) ? "own" : "", say(`grid_field_${field}`)), make("dd", own.includes(name) ? "own" : "", String(said[name]))];
    }));
    if (!this.dialog.open) this.dialog.showModal();
  }

  /** The next finished cell that many places on. */
  move(by) {
    const { cells } = this.stage;
    for (let to = this.index + by; to >= 0 && to < cells.length; to += by)
      if (cells[to].state === "done") return this.open(to);
  }

  openInGenerate() {
    this.stage.trigger("submit", this.asked());
    this.close();
    document.querySelector("#tab_generate-button")?.click();
  }

  close() {
    if (this.dialog?.open) this.dialog.close();
  }
}

// An axis's field → the recipe's, and the recipe's → the word for it.
const FIELD = { negative: "negative_prompt", guidance: "scale", words: "prompt" };
const NAMED = { negative_prompt: "negative", scale: "guidance" };
