// The X/Y grid: its table, the names that an axis may be made of, and what it will cost.

import { Enlarged } from "./grid_cell.js";
import { Pane } from "./pane.js";
import { say, sayMessage } from "./words.js";

const KEPT = "xt-grid";
const LEAST = 76; // CSS pixels of a cell
const EASY = 128; // large enough, where all rows cannot be in sight
const MOST = 256;

export const MOUNTS = {
  grid_names: mountNames,
  grid_plan: mountPlan,
  grid_message: mountMessage,
  grid_stage: (parts) => new GridStage(parts),
};

/** An element with a class, a text and whatever else. */
export function make(tag, className = "", textContent = "", more = {}) {
  return Object.assign(document.createElement(tag), { className, textContent, ...more });
}

/** 75.4 → "75 s", 192 → "3 min 12 s". */
export function duration(seconds) {
  if (seconds < 10) return say("grid_seconds", { s: seconds.toFixed(1) });
  if (seconds < 90) return say("grid_seconds", { s: Math.round(seconds) });
  return say("grid_minutes", { m: Math.floor(seconds / 60), s: Math.round(seconds % 60) });
}

/** A column's or row's label: the value, with its field where it is a number. */
export function label(axis, place) {
  const { label, text } = axis.values[place];
  if (["prompt", "words", "model", "sampler", "spacing", "style"].includes(axis.field)) return label || "–";
  if (axis.field === "negative") return text ? `− ${text}` : say("grid_no_negative");
  return text;
}

/** Names to click for an axis of names, or how its values are written. */
function mountNames({ element, props, watch }) {
  const box = element.querySelector(".grid_names");
  const fill = () => {
    const { axis, names, example, field } = props.value;
    box.hidden = field === "none";
    if (!names.length) {
      const key = ["prompt", "words", "negative"].includes(field) ? "grid_how_texts" : field === "interval" || field === "size" ? "grid_how_pairs" : "grid_how_numbers";
      return box.replaceChildren(make("span", "", say(field === "words" ? "grid_how_words" : key, { example })));
    }
    const input = () => document.querySelector(`#grid_${axis}_values :is(input, textarea)`);
    const chosen = () => (input()?.value ?? "").split(/[,，、;|]/).map((part) => part.trim()).filter(Boolean);
    const mark = () => {
      const now = chosen();
      for (const button of box.querySelectorAll("button"))
        button.setAttribute("aria-pressed", String(now.includes(button.dataset.id) || now.includes(button.textContent)));
    };
    input()?.addEventListener("input", mark);
    setTimeout(mark, 300); // once the values that suit the field are there
    box.replaceChildren(...names.map(([id, title]) => {
      const button = make("button", "chip", title, { type: "button" });
      button.dataset.id = id;
      button.addEventListener("click", () => {
        const now = chosen();
        const there = now.findIndex((one) => one === id || one === title);
        if (there >= 0) now.splice(there, 1);
        else now.push(id);
        input().value = now.join(", ");
        input().dispatchEvent(new Event("input", { bubbles: true }));
      });
      return button;
    }));
  };
  fill();
  watch("value", fill);
}

/** "4 × 3 = 12 cells · 480 rows · about 10 s", or why it cannot be filled. */
function mountPlan({ element, props, watch }) {
  const box = element.querySelector(".grid_plan");
  const fill = () => {
    const v = props.value;
    box.dataset.kind = v.kind ?? "";
    if (v.kind === "problem") return box.replaceChildren(make("p", "wrong", sayMessage(v.message)));
    if (v.kind !== "plan") return box.replaceChildren();
    const head = make("p", "cost");
    head.append(make("b", "", say("grid_cells", { columns: v.columns, rows: v.rows, cells: v.cells })));
    head.append(v.seconds === null ? say("grid_untimed") : say("grid_about", { time: duration(v.seconds) }));
    const more = say("grid_rows", { evaluations: v.evaluations.toLocaleString("en"), rows: v.network_rows.toLocaleString("en") });
    const rate = v.row_ms === null ? "" : ` ${say("grid_rate", { ms: v.row_ms.toPrecision(3) })}`;
    const parts = [head, make("p", "sum", more + rate)];
    if (v.broken) parts.push(make("p", "wrong", say("grid_broken", { n: v.broken, why: sayMessage(v.problems[0]) })));
    box.replaceChildren(...parts);
  };
  fill();
  watch("value", fill);
}

function mountMessage({ element, props, watch }) {
  const box = element.querySelector(".grid_message");
  const fill = () => report(box, props.value);
  fill();
  watch("value", fill);
}

function report(box, message) {
  const text = sayMessage(message);
  box.className = `grid_message message ${text ? message.tone : ""}`;
  box.setAttribute("role", message.tone === "error" ? "alert" : "status");
  box.textContent = text;
  box.dataset.key = message.key ?? "";
  box.hidden = !text;
}

class GridStage {
  constructor({ element, props, trigger, server, watch }) {
    this.box = element.querySelector(".grid-stage");
    this.box.stage = this;
    this.server = server;
    this.trigger = trigger;
    this.value = {};
    this.cells = [];
    this.empty();
    this.larger = new Enlarged(this);
    watch("value", () => this.take(props.value));
    new ResizeObserver(() => this.lay()).observe(this.box);
    dropped(this.box);
    const kept = sessionStorage.getItem(KEPT);
    if (kept) setTimeout(() => this.trigger("select", { id: kept }), 0);
  }

  /** Before the first grid: what it will look like, drawn. */
  empty() {
    this.value = {};
    this.box.dataset.state = "empty";
    const blank = make("div", "blank");
    for (let k = 0; k < 12; k++) blank.append(make("i"));
    const words = make("p", "", say("grid_empty"));
    this.box.replaceChildren(make("div", "grid-empty"));
    this.box.firstChild.append(blank, words);
  }

  take(value) {
    if (value.kind === "empty") {
      sessionStorage.removeItem(KEPT);
      return this.value.id ? undefined : this.empty();
    }
    if (value.kind !== "grid") return;
    if (value.id !== this.value.id) this.begin(value);
    this.value = value;
    this.box.dataset.state = value.state;
    this.box.dataset.done = String(value.done);
    this.progress();
    if (value.number > this.have) this.fetch();
  }

  /** Another grid: its table, empty. */
  begin(value) {
    sessionStorage.setItem(KEPT, value.id);
    this.have = 0;
    this.larger.close();
    this.value = value;
    const rows = value.y ? value.y.values.length : 1;
    const columns = value.x.values.length;
    const table = make("table");
    const corner = make("th", "corner");
    corner.append(make("span", "", `${say(`grid_field_${value.x.field}`)} →`));
    if (value.y) corner.append(make("span", "", `${say(`grid_field_${value.y.field}`)} ↓`));
    const head = make("tr");
    head.append(corner, ...value.x.values.map((_, k) => make("th", "", label(value.x, k), { scope: "col" })));
    table.append(make("thead"));
    table.tHead.append(head);
    const body = make("tbody");
    this.cells = [];
    for (let row = 0; row < rows; row++) {
      const line = make("tr");
      line.append(make("th", "", value.y ? label(value.y, row) : "", { scope: "row" }));
      for (let column = 0; column < columns; column++) line.append(this.cell(row * columns + column));
      body.append(line);
    }
    table.append(body);
    const scroll = make("div", "scroll", "", { tabIndex: 0 });
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", say("grid_region"));
    scroll.append(table);
    this.foot = make("div", "foot");
    this.box.replaceChildren(this.bar(), scroll, this.foot);
    this.lay();
  }

  cell(index) {
    const place = make("td");
    const button = make("button", "cell", "", { type: "button", disabled: true });
    const canvas = make("canvas", "", "", { width: 1, height: 1 });
    const note = make("span", "note");
    button.append(canvas, note);
    button.dataset.index = String(index);
    button.dataset.state = "waiting";
    button.addEventListener("click", () => this.larger.open(index));
    place.append(button);
    this.cells.push({ button, note, pane: new Pane(canvas, () => this.side), state: "waiting", share: 0 });
    return place;
  }

  bar() {
    const bar = make("div", "grid-progress");
    this.track = make("div", "track");
    this.track.append(make("i"));
    this.said = make("span", "said");
    this.save = make("button", "chip", say("grid_png"), { type: "button", id: "grid_png" });
    this.save.addEventListener("click", () => take(this.save, () => this.server.sheet({ id: this.value.id })));
    bar.append(this.track, this.said, this.save);
    return bar;
  }

  progress() {
    const { done, failed, cells, state, seconds, left } = this.value;
    const parts = [say(`grid_state_${state}`, { done, cells })];
    if (failed) parts.push(say("grid_failed", { n: failed }));
    if (state !== "running") parts.push(duration(seconds));
    else if (left !== null) parts.push(say("grid_left", { time: duration(left) }));
    this.said.textContent = parts.join(" · ");
    this.save.disabled = !done;
    this.foot.textContent = state === "stopped" && done < cells ? say("grid_stopped_hint") : say("grid_foot");
  }

  /** What has changed since the last time, one question at a time. */
  async fetch() {
    if (this.asking) return;
    this.asking = true;
    const { id } = this.value;
    try {
      while (this.value.id === id && this.value.number > this.have) {
        const answer = await this.server.cells({ id, since: this.have });
        if (answer.problem || this.value.id !== id) break;
        for (const cell of answer.cells) this.show(cell);
        const share = this.cells.reduce((sum, cell) => sum + cell.share, 0) / this.cells.length;
        this.track.firstChild.style.width = `${100 * share}%`;
        this.have = answer.number;
      }
    } finally {
      this.asking = false;
    }
    if (this.value.id !== id) this.fetch();
  }

  show(cell) {
    const own = this.cells[cell.index];
    if (!own) return;
    own.state = cell.state;
    own.button.dataset.state = cell.state;
    own.button.disabled = cell.state !== "done";
    own.share = cell.state === "done" || cell.state === "failed" ? 1 : cell.total ? cell.step / cell.total : 0;
    own.button.style.setProperty("--step", own.share);
    own.note.textContent = cell.state === "failed" ? sayMessage(cell.message) : "";
    own.button.setAttribute("aria-label", `${this.named(cell.index)}: ${own.note.textContent || say(`grid_cell_${cell.state}`)}`);
    if (cell.src) {
      own.pane.show(cell.src, "lanczos").then(() => this.fit(own.pane.image));
    } else own.pane.clear();
  }

  /** The cell's two values, as one would say them. */
  named(index) {
    const { x, y } = this.value;
    const column = index % x.values.length;
    const row = Math.floor(index / x.values.length);
    const one = (axis, place) => `${say(`grid_field_${axis.field}`)} ${label(axis, place)}`;
    return y ? `${one(x, column)}, ${one(y, row)}` : one(x, column);
  }

  fit(image) {
    if (!image || (this.natural && this.natural >= image.width)) return;
    this.natural = image.width;
    this.lay();
  }

  /** Cells as large as fit side by side, from LEAST on; then the table scrolls. */
  lay() {
    if (!this.value.x) return;
    const columns = this.value.x.values.length;
    const most = Math.min(170, 0.26 * this.box.clientWidth);
    this.box.style.setProperty("--labels", `${most}px`);
    const labels = this.box.querySelector("tbody th")?.offsetWidth || most;
    const room = (this.box.clientWidth - labels - 6) / columns - 6.5;
    const rows = this.value.y ? this.value.y.values.length : 1;
    const tall = Math.max(EASY, (window.innerHeight - 270) / rows - 6); // all in sight, if they can be
    const side = Math.floor(Math.max(LEAST, Math.min(MOST, room, tall)));
    this.box.style.setProperty("--side", `${side}px`);
    if (side === this.side) return;
    this.side = side;
    for (const { pane } of this.cells) pane.paint();
  }
}

/** A file that the server makes goes straight to the visitor. */
export async function take(button, ask) {
  const text = button.textContent;
  button.disabled = true;
  button.textContent = say("making");
  try {
    const answer = await ask();
    if (answer.problem) return report(document.querySelector(".grid_message"), answer.problem);
    const bytes = Uint8Array.from(atob(answer.data), (letter) => letter.charCodeAt(0));
    const link = make("a", "", "", { href: URL.createObjectURL(new Blob([bytes], { type: answer.mime })), download: answer.name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  } finally {
    button.disabled = false;
    button.textContent = text;
  }
}

/** A grid's PNG dropped on the table goes where grids are restored. */
function dropped(box) {
  const find = () => document.querySelector("#grid_restore input[type=file]");
  box.addEventListener("dragover", (event) => event.preventDefault());
  box.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    const { files } = event.dataTransfer;
    if (!files.length) return;
    if (!find()) document.querySelector("#grid_restore_more button")?.click();
    const wait = setInterval(() => {
      if (!find()) return;
      clearInterval(wait);
      find().files = files;
      find().dispatchEvent(new Event("change", { bubbles: true }));
    }, 50);
  });
}
