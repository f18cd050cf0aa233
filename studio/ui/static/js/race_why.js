// Two lanes side by side, and why they differ, in words.

import { Pane } from "./pane.js";
import { difference } from "./race_diff.js";
import { colour, details, element, saySentence, usual } from "./race_words.js";
import { say } from "./words.js";

export class Why {
  constructor(box, server) {
    this.box = box;
    this.server = server;
    this.asked = 0;
  }

  /** Lay it out for a finished race: its first lane and its last one that has a picture. */
  fill(race) {
    this.race = race;
    const lanes = race.result.rows.map((row) => row.lane);
    this.box.hidden = lanes.length < 2;
    if (this.box.hidden) return;
    const head = element("div", "race-bar");
    head.append(element("h3", "", say("race_why")));
    this.choices = ["one", "other"].map((name, place) => this.choice(name, lanes, lanes[place ? lanes.length - 1 : 0]));
    this.choices.forEach((choice) => head.append(choice));
    const row = element("div", "pair-row");
    this.panes = [0, 1, 2].map((place) => {
      const plate = element("div", "plate");
      const canvas = element("canvas");
      canvas.setAttribute("role", "img");
      plate.append(canvas);
      row.append(plate);
      if (place < 2) plate.classList.add("ringed");
      return { plate, canvas, pane: new Pane(canvas, () => plate.clientWidth || 1) };
    });
    this.said = element("ul", "why-list");
    row.append(this.said);
    this.box.replaceChildren(head, row);
    this.ask();
  }

  choice(name, lanes, chosen) {
    const select = element("select");
    select.id = `race_why_${name}`;
    select.setAttribute("aria-label", say(`race_why_${name}`));
    const shared = usual(this.race.lanes);
    for (const lane of lanes) {
      const option = element("option", "", `${lane + 1}  ${this.race.lanes[lane].label}, ${details(this.race.lanes[lane], shared)}`);
      option.value = String(lane);
      select.append(option);
    }
    select.value = String(chosen);
    select.addEventListener("change", () => this.ask());
    return select;
  }

  async ask() {
    const [one, other] = this.choices.map((choice) => Number(choice.value));
    const [a, b] = [one, other].map((lane) => this.race.pictures[lane]);
    const names = [one, other].map((lane) => this.race.lanes[lane].label);
    this.panes.forEach(({ canvas, plate, pane }, place) => {
      const lane = [one, other][place];
      canvas.setAttribute("aria-label", place < 2 ? say("race_alt_x0", { n: lane + 1, name: names[place] }) : say("race_alt_between", { one: one + 1, other: other + 1 }));
      if (place < 2) plate.style.setProperty("--lane", colour(lane));
      if (place < 2) pane.show([a, b][place], "lanczos");
      else pane.draw(`Δ ${a} ${b}`, () => difference(a, b), "nearest");
    });
    const number = ++this.asked;
    const answer = await this.question(one, other);
    if (number !== this.asked) return;
    const said = answer.problem ? [answer.problem] : answer.why.map((mark) => mark.said);
    const lines = said.length ? said.map(saySentence) : [say("race_why_nothing")];
    this.said.replaceChildren(...lines.map((text) => element("li", "", text)));
    this.box.dataset.pair = `${one} ${other}`;
  }

  async question(one, other) {
    try {
      const { lanes, request } = this.race;
      return await this.server.why({ one: lanes[one], other: lanes[other], model: request.model });
    } catch {
      return { problem: { tone: "error", key: "err_unreachable", arguments: {} } };
    }
  }

  paint() {
    for (const { pane } of this.panes ?? []) pane.paint();
  }
}
