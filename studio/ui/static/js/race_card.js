// One lane in the grid: its picture, where it is, what it has asked, and its stop button.

import { Pane } from "./pane.js";
import { button, colour, details, element, saySentence } from "./race_words.js";
import { figure, say } from "./words.js";

export class Card {
  /** `acts`: stop(lane), open(lane), pick(lane). */
  constructor(lane, acts) {
    this.lane = lane;
    this.box = element("figure", "lane");
    this.box.dataset.lane = String(lane);
    this.box.style.setProperty("--lane", colour(lane));
    const caption = element("figcaption");
    this.name = element("span", "name");
    this.stop = button("lane-stop", "stop", say("race_stop_lane", { n: lane + 1 }), () => {
      this.stop.disabled = true;
      acts.stop(lane);
    });
    this.open = button("lane-open", "open", say("race_open", { n: lane + 1 }), () => acts.open(lane));
    caption.append(element("b", "no", String(lane + 1)), this.name, this.stop, this.open);
    this.plate = element("div", "plate");
    this.canvas = element("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.width = this.canvas.height = 1;
    this.plate.append(this.canvas);
    this.pane = new Pane(this.canvas, () => this.plate.clientWidth || 1);
    this.bar = element("div", "nfe");
    this.bar.append(element("span", "all"), element("span", "done"));
    this.facts = element("p", "facts");
    this.details = element("p", "details");
    this.box.append(caption, this.plate, this.bar, this.facts, this.details);
  }

  /** The lane's numbers; `most` evaluations are the whole width of every bar. */
  tell(race, most, shared) {
    const lane = race.lanes[this.lane];
    this.box.dataset.state = lane.state;
    this.name.textContent = lane.label;
    this.name.title = lane.label;
    this.details.textContent = details(lane, shared);
    const share = (value) => `${(100 * Math.min(1, value / most)).toFixed(2)}%`;
    this.bar.firstChild.style.width = share(race.total(lane));
    this.bar.lastChild.style.width = share(lane.nfe ?? 0);
    this.facts.replaceChildren(...this.where(race, lane).map(([kind, text]) => element("span", kind, text)));
    const going = !race.ended && ["waiting", "going"].includes(lane.state);
    this.stop.hidden = race.bundled || !going;
    this.open.hidden = going;
    if (!going) this.stop.disabled = false;
  }

  /** The facts under the picture, as [kind, text]: a narrow page leaves some out. */
  where(race, lane) {
    if (lane.state === "failed") return [["bad", lane.message ? saySentence(lane.message) : say("race_failed_lane")]];
    if (lane.state === "waiting") return [["", say("race_waiting")]];
    const parts = [["nfe-count", say("race_nfe", { n: lane.nfe ?? 0 })]];
    if (lane.rows > lane.nfe) parts.push(["rows", say("race_rows", { n: lane.rows })]);
    if (lane.state === "done") {
      if (lane.seconds) parts.push(["took", `${figure(lane.seconds, lane.seconds < 10 ? 1 : 0)} s`]);
      return parts;
    }
    parts.unshift(["at", say("race_step", { k: (lane.index ?? -1) + 1, n: lane.total ?? lane.steps })]);
    if (lane.state === "stopped") parts.unshift(["halted", say("race_stopped_lane")]);
    return parts;
  }

  /** Show a picture: an address, or for a difference a promise of pixels under a name. */
  show(address, filter, alt, made) {
    this.canvas.setAttribute("aria-label", alt);
    if (!address) return this.pane.clear();
    return made ? this.pane.draw(address, made, filter) : this.pane.show(address, filter);
  }
}
