// What came of a race: its table, the error over evaluations with its order, the distances.

import { figure, make, plot, short } from "./plots.js";
import { node } from "./twin_controls.js";
import { typeset } from "./typeset.js";
import { say } from "./words.js";

const COLUMNS = ["lane", "path", "nfe", "order", "median", "rmse", "sliced", "energy", "straightness", "ms"];
const NAMES = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

export class Results {
  constructor(twin) {
    this.twin = twin;
    this.climbs = [];
    this.by = { column: "", up: true };
    this.errors = figure(say("twin_plot_errors"), (svg) => this.drawErrors(svg));
    this.gaps = figure(say("twin_plot_gaps"), (svg) => this.drawGaps(svg));
    this.errors.box.id = "twin_errors";
    this.gaps.box.id = "twin_gaps";
    this.note = node("p", { className: "note" });
    twin.part("plots").append(this.errors.box, this.gaps.box);
    const save = node("button", { type: "button", id: "twin_csv", textContent: "CSV", title: say("twin_csv") });
    save.addEventListener("click", () => this.csv());
    this.table = node("table");
    this.foot = node("div", { className: "foot" });
    this.foot.append(this.note, save);
    const scroll = node("div", { className: "scroll", tabIndex: 0 });
    scroll.append(this.table);
    twin.part("table").append(scroll, this.foot);
    this.foot.hidden = true;
  }

  take(made) {
    this.made = made;
    this.climbs = [];
    this.foot.hidden = false;
    const { floor, spread, draws, marked, tolerance, xt, seconds } = made;
    typeset(this.note, say("twin_note", { floor: short(floor.sliced, 2), spread: short(spread.sliced, 1), draws, energy: short(floor.energy, 2), marked, tolerance: short(tolerance), xt: xt.slice(0, 12), seconds: seconds.toFixed(2) }));
    this.fill();
    this.draw();
  }

  climb(index, climb) {
    this.climbs[index] = climb;
    this.fill();
    this.draw();
  }

  draw() {
    this.errors.draw();
    this.gaps.draw();
  }

  mark(index) {
    for (const row of this.table.querySelectorAll("tbody tr")) row.classList.toggle("marked", Number(row.dataset.index) === index);
    for (const svg of [this.errors.svg, this.gaps.svg]) svg.dataset.marked = index < 0 ? "" : NAMES[index % NAMES.length];
  }

  rows() {
    const rows = this.made.lanes.map((ran, index) => {
      const fit = this.climbs[index];
      return {
        index,
        lane: `${index + 1}. ${ran.label}${ran.lane.eta > 0 ? ` η ${ran.lane.eta}` : ""}`,
        path: say(`twin_path_${ran.lane.path}`),
        nfe: ran.nfe,
        order: fit?.order ?? null,
        spread: fit?.error ?? null,
        nominal: ran.order,
        stochastic: ran.stochastic,
        climbed: Boolean(fit),
        median: ran.median,
        rmse: ran.rmse,
        sliced: ran.gap.sliced,
        energy: ran.gap.energy,
        straightness: ran.straightness,
        ms: 1000 * ran.seconds,
      };
    });
    const { column, up } = this.by;
    if (column) rows.sort((a, b) => (up ? 1 : -1) * compare(column === "lane" ? a.index : a[column], column === "lane" ? b.index : b[column]));
    return rows;
  }

  fill() {
    const head = node("tr");
    for (const column of COLUMNS) {
      const cell = node("th", { scope: "col", title: say(`twin_column_${column}_hint`) });
      const button = node("button", { type: "button", textContent: say(`twin_column_${column}`) });
      button.addEventListener("click", () => {
        this.by = { column, up: this.by.column === column ? !this.by.up : true };
        this.fill();
      });
      if (this.by.column === column) cell.setAttribute("aria-sort", this.by.up ? "ascending" : "descending");
      cell.append(button);
      head.append(cell);
    }
    const near = this.made.floor.sliced + 2 * this.made.spread.sliced;
    const lines = this.rows().map((row) => {
      const line = node("tr");
      line.dataset.index = String(row.index);
      const order = row.stochastic ? say("twin_no_limit") : row.order === null ? (row.climbed ? "–" : "…") : `${row.order.toFixed(2)} ± ${row.spread.toFixed(2)}`;
      const said = { ...row, order, median: short(row.median, 2), rmse: short(row.rmse, 2), sliced: short(row.sliced, 2), energy: short(row.energy, 2), straightness: row.straightness.toFixed(2), ms: row.ms.toFixed(0) };
      COLUMNS.forEach((column, k) => {
        const cell = node(k ? "td" : "th", { textContent: String(said[column]) });
        if (!k) cell.prepend(node("i", { className: NAMES[row.index % NAMES.length] }));
        if (column === "sliced" && row.sliced <= near) cell.className = "near";
        if (column === "order" && !row.stochastic && row.climbed) cell.title = say("twin_nominal", { order: row.nominal });
        line.append(cell);
      });
      line.addEventListener("pointerenter", () => this.twin.mark(row.index));
      line.addEventListener("pointerleave", () => this.twin.mark(-1));
      return line;
    });
    const [top, body] = [node("thead"), node("tbody")];
    top.append(head);
    body.append(...lines);
    this.table.replaceChildren(top, body);
  }

  drawErrors(svg) {
    const known = this.climbs.filter((one) => one && !one.stochastic);
    const series = known.map((one) => ({ name: this.name(one), points: this.points(one, "median"), climb: one }));
    this.log(svg, series, say("twin_plot_errors"), [-6, 0]);
    // The order, written where a lane's line ends.
    let last = -Infinity;
    const labels = series.filter(({ climb }) => climb.order !== null).map((one) => ({ ...one, y: Number(svg.querySelector(`.line.${one.name}`)?.getAttribute("points").split(" ").at(-1).split(",")[1]) }));
    for (const { name, climb, y } of labels.filter((one) => Number.isFinite(one.y)).sort((a, b) => a.y - b.y)) {
      last = Math.max(y + 3, last + 11);
      const text = make("text", { class: `slope ${name}`, x: svg.clientWidth - 6, y: last, "text-anchor": "end" });
      text.textContent = climb.order.toFixed(2);
      svg.append(text);
    }
  }

  drawGaps(svg) {
    const series = this.climbs.filter(Boolean).map((one) => ({ name: this.name(one), points: this.points(one, "sliced") }));
    const { floor, spread } = this.made ?? { floor: { sliced: 0.03 }, spread: { sliced: 0.01 } };
    const bounds = [floor.sliced - spread.sliced, floor.sliced + spread.sliced].map((v) => Math.log10(Math.max(v, 1e-4)));
    const up = this.log(svg, series, say("twin_plot_gaps"), [-2, 0], bounds);
    svg.prepend(make("rect", { class: "band", x: 44, width: Math.max(svg.clientWidth - 54, 10), y: up(bounds[1]), height: Math.max(up(bounds[0]) - up(bounds[1]), 1) }));
    const text = make("text", { class: "label", x: 48, y: up(bounds[1]) - 4 });
    text.textContent = say("twin_floor");
    svg.append(text);
  }

  /** Both axes in powers of ten; gives back where a value is drawn. */
  log(svg, series, title, usual, more = []) {
    const values = series.flatMap(({ points }) => points.map(([, y]) => y)).filter(Number.isFinite).concat(more);
    const low = values.length ? Math.floor(Math.min(...values)) : usual[0];
    const high = values.length ? Math.min(1, Math.ceil(Math.max(...values))) : usual[1];
    const ends = [Math.log10(this.twin.offer.rungs[0]) - 0.1, Math.log10(this.twin.offer.rungs.at(-1)) + 0.24];
    plot(svg, { x: ends, y: [low, Math.max(high, low + 1)], log: true, lines: series, dots: series, height: 230, xLabel: say("twin_axis") }, title);
    for (const tick of [...svg.querySelectorAll("text.tick[text-anchor=middle]")]) tick.remove();
    for (const tick of svg.querySelectorAll("text.tick")) if (tick.textContent.includes(".")) tick.remove(); // half a decade
    const { rungs } = this.twin.offer;
    const width = Math.max(svg.clientWidth, 140);
    for (const nfe of rungs) {
      const x = 44 + ((Math.log10(nfe) - ends[0]) / (ends[1] - ends[0])) * (width - 54);
      const text = make("text", { class: "tick", x, y: 222, "text-anchor": "middle" });
      text.textContent = String(nfe);
      svg.append(text);
    }
    const top = Math.max(high, low + 1);
    return (y) => 208 - ((y - low) / (top - low)) * 200;
  }

  /** The rungs that the axis shows: a second-order method's first may have fewer evaluations. */
  points(climb, what) {
    const shown = climb.rungs.filter((r) => r.nfe >= this.twin.offer.rungs[0]);
    return shown.map((r) => [Math.log10(r.nfe), Math.log10(r[what])]);
  }

  name(climb) {
    return NAMES[this.climbs.indexOf(climb) % NAMES.length];
  }

  csv() {
    const lines = [["lane", "sampler", "path", "spacing", "steps", "eta", "nfe", "order", "order_error", "median", "rmse", "sliced_wasserstein", "energy", "straightness", "seconds"].join(",")];
    this.made.lanes.forEach((ran, k) => {
      const { sampler, path, spacing, steps, eta } = ran.lane;
      const fit = this.climbs[k];
      lines.push([k + 1, sampler, path, spacing, steps, eta, ran.nfe, fit?.order ?? "", fit?.error ?? "", ran.median ?? "", ran.rmse ?? "", ran.gap.sliced, ran.gap.energy, ran.straightness, ran.seconds].join(","));
    });
    const link = node("a", { href: URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" })), download: `twin-${this.made.data.id}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
}

const compare = (a, b) => (a === null ? 1 : b === null ? -1 : typeof a === "string" ? a.localeCompare(b) : a - b);
