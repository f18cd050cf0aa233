// The lanes: takes the server's messages in, and shows all of them at one place of their way.

import { still, Player } from "./play.js";
import { Card } from "./race_card.js";
import { difference, GAIN } from "./race_diff.js";
import { References } from "./race_reference.js";
import { ResultTable } from "./race_table.js";
import { Race } from "./race_state.js";
import { Way } from "./race_way.js";
import { Why } from "./race_why.js";
import { saveCsv, savePng } from "./race_files.js";
import { sameWalks, saySentence, usual } from "./race_words.js";
import { typeset } from "./typeset.js";
import { figure, fillWords, say, sayMessage, sayText } from "./words.js";

const STOPS = 120; // places of the scrubber on the log-SNR axis

export class RaceStage {
  constructor({ element, props, server, trigger, watch }) {
    this.root = element.querySelector(".race");
    this.root.stage = this;
    this.server = server;
    this.trigger = trigger;
    this.race = null;
    this.view = "x0";
    this.axis = "nfe";
    this.position = 0;
    this.cards = [];
    fillWords(this.root);
    this.references = new References(this.part("lanes"));
    this.way = new Way(this.part("way"));
    this.table = new ResultTable(this.part("table"), (lane) => this.open(lane));
    this.why = new Why(this.part("why"), server);
    this.player = new Player((at) => this.show(at), () => this.transport());
    this.listen();
    this.take(props.value);
    watch("value", () => this.take(props.value));
    new ResizeObserver(() => this.repaint()).observe(this.part("lanes"));
  }

  part(name) {
    return this.root.querySelector(`[data-part="${name}"]`);
  }

  /** One message of the server; those of an older race of this tab are ignored. */
  take(message) {
    if (!message?.lanes || (this.race && message.number < this.race.number)) return;
    const fresh = !this.race || message.race !== this.race.id;
    if (fresh) this.begin(new Race(message));
    else this.race.take(message);
    const { race } = this;
    if (race.ended && !this.settled) this.settle();
    else if (!race.ended) this.position = this.stops();
    this.root.dataset.state = race.bundled ? "recorded" : race.kind;
    this.root.dataset.race = race.id;
    this.head();
    this.transport();
    this.draw();
    const asking = document.querySelector(".race_ladder")?.ladder;
    if (fresh || race.ended) asking?.offer(race);
  }

  begin(race) {
    this.player.stop();
    this.race = race;
    this.settled = false;
    if (this.view === "diff") this.view = "x0";
    const acts = { stop: (lane) => this.stopLane(lane), open: (lane) => this.open(lane) };
    this.cards = race.lanes.map((_, lane) => new Card(lane, acts));
    const grid = this.part("lanes");
    grid.replaceChildren(...this.cards.map((card) => card.box));
    grid.dataset.many = String(race.lanes.length > 6);
    this.references.expect(race);
    this.columns();
  }

  /** As many columns as make even rows, of pictures that are large enough to be seen. */
  columns() {
    const grid = this.part("lanes");
    const count = grid.children.length;
    const narrow = window.innerWidth <= 560;
    const least = narrow ? (count > 8 ? 100 : 150) : 150;
    const fit = Math.max(1, Math.floor((grid.clientWidth + 14) / (least + 14)));
    const across = Math.min(Math.max(2, Math.ceil(count / Math.ceil(count / fit))), narrow ? fit : 6);
    grid.style.setProperty("--across", String(across));
  }

  /** The race is over: everything can be scrubbed, compared and taken away. */
  settle() {
    const { race } = this;
    this.settled = true;
    this.position = this.stops();
    this.part("result").hidden = !race.result;
    if (race.result) {
      this.table.fill(race);
      this.why.fill(race);
      this.references.fill(race);
      this.columns();
      const notes = race.result.notes.map((note) => Object.assign(document.createElement("p"), { textContent: saySentence(note) }));
      this.part("notes").replaceChildren(...notes);
    }
    if (!still() && race.result) this.player.start(this.stops(), { held: !race.bundled });
  }

  /** How many places the scrubber has beyond its first. */
  stops() {
    return this.axis === "nfe" ? this.race.most() : STOPS;
  }

  /** The scrubber's place on its axis: evaluations, or a log-SNR. */
  at() {
    if (this.axis === "nfe") return this.position;
    const [low, high] = this.race.span();
    return low + (this.position / STOPS) * (high - low);
  }

  show(position) {
    this.position = position;
    this.draw();
  }

  draw() {
    const { race, view } = this;
    if (!race) return;
    const live = !race.ended;
    const most = race.most();
    const shared = usual(race.lanes);
    for (const card of this.cards) {
      card.tell(race, most, shared);
      const step = live ? (race.lanes[card.lane].state === "done" ? Infinity : race.lanes[card.lane].index ?? -1) : race.step(card.lane, this.axis, this.at());
      this.picture(card, step, view);
    }
    this.references.show(view);
    this.way.draw(race, live ? null : { axis: this.axis, at: this.at() });
    const scrubber = this.root.querySelector("#race_scrubber");
    scrubber.max = String(this.stops());
    scrubber.value = String(this.position);
    const said = this.axis === "nfe" ? say("race_at_nfe", { n: this.position }) : say("race_at_snr", { y: figure(this.at(), 1) });
    this.part("at").textContent = said;
    scrubber.setAttribute("aria-valuetext", said);
    this.root.dataset.position = String(this.position);
    this.filters();
  }

  picture(card, step, view) {
    const { race } = this;
    const what = view === "xt" ? "xt" : "x0";
    const address = view === "xt" && step === Infinity ? race.row(card.lane, "xt").at(-1) ?? race.pictures[card.lane] : race.frame(card.lane, what, step);
    const name = race.lanes[card.lane].label;
    const alt = say(`race_alt_${view}`, { n: card.lane + 1, name });
    const against = view === "diff" && this.references.of(card.lane);
    card.plate.classList.toggle("blank", !address || (view === "diff" && !against));
    if (view === "diff") return card.show(against && address ? `Δ ${address} ${against}` : null, "nearest", alt, () => difference(address, against));
    return card.show(address, view === "xt" ? "nearest" : "lanczos", alt)?.then?.(() => this.filters());
  }

  /** Which enlargement is shown, once for all lanes. */
  filters() {
    const stated = this.cards.map((card) => card.pane.statement()).find(Boolean);
    const parts = [];
    if (stated && stated.factor > 1) parts.push(say("enlarged", { side: stated.side, factor: Number(stated.factor.toFixed(2)), filter: say(`filter_${stated.filter}`) }));
    if (this.view === "diff") parts.unshift(say("race_diff_scale", { gain: GAIN }));
    this.part("filter").textContent = parts.join(" · ");
  }

  head() {
    const { race } = this;
    const { message, request } = race;
    const words = { n: race.lanes.length, prompt: request.prompt || say("race_no_prompt"), seed: request.seed };
    const title = race.bundled ? "race_title_recorded" : `race_title_${race.kind}`;
    this.part("title").textContent = say(title, words);
    this.part("subtitle").textContent = this.subtitle(message, words);
    this.part("spoken").textContent = race.ended ? this.part("title").textContent : "";
    this.part("hash").textContent = race.noise ? say("race_noise", { hash: race.noise.slice(0, 12) }) : "";
    this.part("hash").title = race.noise ?? "";
    const m = race.kind === "measuring" && message.measuring;
    const share = race.ended ? 1 : m ? m.done / Math.max(m.total, 1) : race.progress();
    const bar = this.part("bar");
    bar.firstElementChild.style.width = `${(100 * share).toFixed(1)}%`;
    bar.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    bar.setAttribute("aria-label", this.part("title").textContent);
    const same = this.part("same");
    const groups = race.result?.same ?? [];
    same.hidden = !groups.length;
    same.textContent = sameWalks(groups);
  }

  subtitle(message, words) {
    const { race } = this;
    if (race.kind === "queued") return message.ahead ? say("race_ahead", { n: message.ahead }) : say("race_shared", words);
    if (race.kind === "loading") return sayText(message.doing);
    if (race.kind === "measuring") return say("race_measured", { doing: sayText(message.measuring.doing), ...message.measuring });
    if (race.kind === "failed") return sayMessage(message.message);
    if (race.bundled) return say("race_recorded", words);
    if (race.result) return say("race_shared_done", { ...words, seconds: figure(race.result.seconds, 1) });
    return say("race_shared", words);
  }

  transport() {
    const { race, player } = this;
    const ended = !!race?.ended;
    this.part("scrubbing").hidden = !ended || !race.lanes.some((lane) => lane.trail.length);
    const play = this.root.querySelector("#race_play");
    const playing = player.playing;
    play.setAttribute("aria-label", say(playing ? "pause" : "play"));
    play.title = say(playing ? "pause" : "play");
    this.part("play_icon").setAttribute("d", playing ? "M4 2.5h3v11H4zM9 2.5h3v11H9z" : "M4 2.5v11l9-5.5z");
    this.root.dataset.playing = String(playing);
    const usable = { x0: true, xt: race?.has("xt"), diff: !!race?.result?.references.length };
    for (const button of this.part("views").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.view === this.view));
      button.disabled = !usable[button.dataset.view];
    }
    for (const button of this.part("axes").querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(button.dataset.axis === this.axis));
    typeset(this.part("view"), say(`race_view_${this.view}`));
    this.root.dataset.view = this.view;
  }

  /** Somebody touched it: the loop ends, and frames that were not seen live are fetched. */
  async touch() {
    this.player.stop();
    const { race } = this;
    const problem = race.ended && (await race.fetch(this.server, this.view === "xt" ? "xt" : "x0", () => this.draw()));
    if (problem && this.race === race) this.tell(problem);
  }

  async stopLane(lane) {
    const answer = await this.server.stop_lane({ race: this.race.id, lane });
    if (answer.problem) this.tell(answer.problem);
  }

  open(lane) {
    this.trigger("select", { recipe: this.race.request.recipe, lane });
    document.querySelector("#tab_generate-button")?.click();
  }

  tell(message) {
    document.querySelector(".race_message")?.tell?.(message);
  }

  listen() {
    const scrubber = this.root.querySelector("#race_scrubber");
    scrubber.setAttribute("aria-label", say("race_scrub"));
    scrubber.addEventListener("input", () => {
      this.touch();
      this.show(Number(scrubber.value));
    });
    scrubber.addEventListener("pointerdown", () => this.player.stop());
    this.root.querySelector("#race_play").addEventListener("click", () => {
      if (this.player.playing) return this.player.stop();
      this.player.start(this.stops(), { from: this.position });
    });
    this.part("views").addEventListener("click", ({ target }) => {
      const chosen = target.closest("[data-view]");
      if (!chosen) return;
      this.view = chosen.dataset.view;
      if (this.race.ended && !this.player.playing) this.touch();
      this.transport();
      this.draw();
    });
    this.part("axes").addEventListener("click", ({ target }) => {
      if (!target.dataset.axis) return;
      this.player.stop();
      const end = this.position >= this.stops();
      const share = this.position / this.stops();
      this.axis = target.dataset.axis;
      this.position = end ? this.stops() : Math.round(share * this.stops());
      this.transport();
      this.draw();
    });
    this.root.querySelector("#race_csv").addEventListener("click", () => saveCsv(this.race));
    this.root.querySelector("#race_png").addEventListener("click", () => savePng(this.race, this.references));
    const find = this.part("find");
    find.placeholder = say("race_find");
    find.setAttribute("aria-label", say("race_find"));
    find.addEventListener("input", () => this.table.filter({ text: find.value }));
    this.part("kinds").addEventListener("click", ({ target }) => target.dataset.kind && this.table.filter({ kind: target.dataset.kind }));
  }

  repaint() {
    this.columns();
    for (const card of this.cards) card.pane.paint();
    this.references.paint();
    this.why.paint();
    this.filters();
  }
}

