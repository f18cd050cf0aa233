// The Models tab: what is here at left, one checkpoint's page at right, and what goes on with it.

import { drawCard } from "./markdown.js";
import { Look } from "./models_look.js";
import { drawHub, drawList, drawMemory, drawMore } from "./models_list.js";
import { drawPage, drawProgress } from "./models_page.js";
import { fillWords, say, sayMessage } from "./words.js";

export const MOUNTS = { models: (parts) => new Models(parts) };

const POLL_MS = 5000;

class Models {
  constructor({ element, props, trigger, server, watch }) {
    this.root = element.querySelector(".models");
    this.root.tab = this;
    this.server = server;
    this.trigger = trigger;
    this.hub = props.value.hub;
    this.models = [];
    this.plans = {};
    this.chosen = "";
    this.asked = 0; // the number of the newest stream of this tab
    this.going = null; // { what, id, ask, message } of a stream that goes
    this.look = new Look(this, props.value.pictures);
    fillWords(element);
    this.part("hub").hidden = !this.hub;
    if (this.hub) drawHub(this);
    element.querySelector("#models_rescan").addEventListener("click", () => this.rescan());
    watch("value", () => this.hear(props.value));
    new IntersectionObserver(([seen]) => this.seen(seen.isIntersecting)).observe(this.root);
    setInterval(() => this.visible && !document.hidden && !this.going && this.measure(), POLL_MS);
  }

  part(name) {
    return this.root.querySelector(`[data-part="${name}"]`);
  }

  /** The tab is looked at, or no longer: what is here may have changed since. */
  async seen(visible) {
    const came = visible && !this.visible;
    this.visible = visible;
    if (came) await this.refresh();
  }

  /** Ask the server; the answer, or nothing where it was refused, which is then said. */
  async ask(question, about = {}, quiet = false) {
    let answer;
    try {
      answer = await this.server[question](about);
    } catch {
      answer = { problem: { key: "err_bug", arguments: {}, tone: "error" } };
    }
    if (!answer.problem) return answer;
    if (!quiet) this.tell(answer.problem);
    return null;
  }

  tell(message) {
    const box = this.part("message");
    const text = message ? sayMessage(message) : "";
    box.className = `message ${text ? message.tone : ""}`;
    box.setAttribute("role", message?.tone === "error" ? "alert" : "status");
    box.dataset.key = message?.key ?? "";
    box.textContent = text;
    box.hidden = !text;
  }

  async refresh() {
    const here = await this.ask("here");
    if (!here) return;
    Object.assign(this, { models: here.models, refused: here.refused, controls: here.controls });
    if (!this.models.some(({ id }) => id === this.chosen)) this.chosen = "";
    drawList(this);
    drawMore(this);
    if (!this.chosen && this.models.length) this.choose((this.models.find(({ id }) => id === here.default) ?? this.models[0]).id, true);
    else this.show();
    await this.measure();
    const fits = await this.ask("fits", {}, true);
    this.plans = fits?.plans ?? {};
    drawList(this);
    this.root.dataset.listed = "1";
  }

  async measure() {
    if (this.measuring) return;
    this.measuring = true;
    const told = await this.ask("memory", {}, true);
    this.measuring = false;
    if (told) drawMemory(this, told.memory);
  }

  choose(id, quiet = false) {
    if (id === this.chosen) return;
    this.chosen = id;
    this.details = this.fit = null;
    this.checked = null;
    if (!quiet) this.tell(null);
    drawList(this);
    this.show();
  }

  /** The page of the chosen one: what its files say at once, what it would take when it is known. */
  async show() {
    const id = this.chosen;
    if (!id) return;
    const about = await this.ask("about", { id });
    if (!about || id !== this.chosen) return;
    const changed = this.details?.id !== id;
    this.details = about.details;
    drawPage(this);
    if (changed) {
      drawCard(this.part("card"), this.details.card, say("models_card"));
      this.look.open(this.details);
    }
    this.root.dataset.model = id;
    const told = await this.ask("fit", { id }, true);
    if (!told || id !== this.chosen) return;
    this.fit = told.fit;
    drawPage(this);
  }

  /** Begin a stream; the promise gives its last message. */
  begin(what, id, more = {}) {
    this.tell(null);
    const ask = ++this.asked;
    return new Promise((resolve) => {
      this.going = { what, id, ask, resolve, message: { kind: "reading", what, id, done: 0, total: 0, share: null, doing: { key: "models_waiting", arguments: {} } } };
      this.root.dataset.state = "reading";
      drawProgress(this);
      this.trigger("submit", { what, id, ask, ...more });
    });
  }

  stop() {
    if (!this.going) return;
    this.going.stopping = true;
    drawProgress(this);
    this.trigger("stop", {});
  }

  /** A message of the stream. The page may miss any of them but the last. */
  hear(message) {
    if (!this.going || message.ask !== this.going.ask) return;
    this.going.message = message;
    if (message.kind === "reading") return drawProgress(this);
    const { resolve } = this.going;
    this.going = null;
    this.root.dataset.state = message.kind;
    if (message.kind === "failed") this.tell(message.message);
    if (message.kind === "stopped") this.tell({ tone: "note", key: `models_${message.what}_stopped`, arguments: { id: message.id } });
    if (message.kind === "checked" && message.id === this.chosen) this.checked = message;
    if (message.kind === "fetched") this.chosen = message.id;
    this.part("spoken").textContent = say(`models_${message.kind}`, { id: message.id });
    drawPage(this);
    this.refresh();
    resolve(message);
  }

  /** Have the chosen one on the device; whether it is. */
  async load(id = this.chosen) {
    if (this.going) return false;
    const end = await this.begin("load", id);
    return end.kind === "loaded";
  }

  async unload(id) {
    this.tell(null);
    if (await this.ask("unload", { id })) await this.refresh();
  }

  async rescan() {
    const told = await this.ask("rescan");
    if (!told) return;
    await this.refresh();
    this.tell({ tone: "note", key: "models_rescanned", arguments: { n: told.count } });
  }
}
