// The table of a finished race: one row a lane, sorted by any column, filtered by words or kind.

import { button, colour, element, saySentence, usual } from "./race_words.js";
import { short } from "./plots.js";
import { figure, say, sayText } from "./words.js";

const seconds = (value) => figure(value, value < 1 ? 3 : value < 10 ? 2 : 1);
const measured = (digits) => (value) => (value === null ? "–" : digits === undefined ? three(value) : figure(value, digits));
/** Three digits that count, so that a column's numbers are equally exact. */
const three = (value) => (Math.abs(value) >= 1e-3 ? value.toPrecision(3) : short(value));

// Name in the catalogue (race_col_…), what a row is sorted by, how it is written.
const COLUMNS = [
  { name: "order", key: (row) => row.order, write: (row) => row.order ?? "–" },
  { name: "steps", key: (row) => row.steps },
  { name: "nfe", key: (row) => row.nfe },
  { name: "rows", key: (row) => row.rows },
  { name: "seconds", key: (row) => row.seconds, write: (row) => seconds(row.seconds) },
  { name: "rmse", key: (row) => row.rmse, write: (row) => measured()(row.rmse) },
  { name: "psnr", key: (row) => row.psnr, write: (row) => (row.psnr >= 999 ? "∞" : measured(1)(row.psnr)) },
  { name: "ssim", key: (row) => row.ssim, write: (row) => measured(3)(row.ssim) },
  { name: "lpips", key: (row) => row.lpips, write: (row) => measured(3)(row.lpips), some: true },
  { name: "sharpness", key: (row) => row.sharpness, write: (row) => three(row.sharpness) },
];

export class ResultTable {
  constructor(table, open) {
    this.table = table;
    this.open = open;
    this.sorted = { name: "rmse", up: true };
    this.wanted = { text: "", kind: "all" };
  }

  fill(race) {
    this.race = race;
    const common = usual(race.lanes);
    this.rows = race.result.rows.map((row) => ({ ...row, ...named(race.lanes[row.lane], common), at: row.lane }));
    this.columns = COLUMNS.filter(({ some, key }) => !some || this.rows.some((row) => key(row) !== null));
    if (!this.rows.some((row) => row.rmse !== null)) this.sorted = { name: "nfe", up: true };
    this.draw();
  }

  filter(change) {
    Object.assign(this.wanted, change);
    if (this.race) this.draw();
  }

  /** The rows that are wanted, in the order that is. */
  shown() {
    const { text, kind } = this.wanted;
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = this.rows.filter((row) => {
      if (kind !== "all" && (kind === "sde") !== row.noisy) return false;
      const said = `${row.label} ${row.sampler} ${row.spaced}`.toLowerCase();
      return words.every((word) => said.includes(word));
    });
    const { name, up } = this.sorted;
    const key = this.columns.find((column) => column.name === name)?.key ?? ((row) => row.at);
    const value = (row) => key(row) ?? Infinity; // what is not measured goes last
    return rows.sort((a, b) => compare(value(a), value(b), up) || a.at - b.at);
  }

  draw() {
    const head = element("tr");
    head.append(this.header("lane"), ...this.columns.map(({ name }) => this.header(name)), element("th", "limits", say("race_col_limits")), element("th", "acts"));
    const body = document.createElement("tbody");
    for (const row of this.shown()) body.append(this.line(row));
    if (!body.children.length) body.append(this.none());
    const top = document.createElement("thead");
    top.append(head);
    const title = element("caption", "spoken", say("race_table"));
    this.table.replaceChildren(title, top, body);
    for (const chosen of document.querySelectorAll(".race [data-kind]"))
      chosen.setAttribute("aria-pressed", String(chosen.dataset.kind === this.wanted.kind));
  }

  header(name) {
    const cell = element("th", name);
    cell.scope = "col";
    const mine = this.sorted.name === name;
    cell.setAttribute("aria-sort", mine ? (this.sorted.up ? "ascending" : "descending") : "none");
    const title = say(`race_col_${name}_title`);
    const sort = button("sort", say(`race_col_${name}`), title, () => {
      this.sorted = { name, up: mine ? !this.sorted.up : true };
      this.draw();
      this.table.querySelector(`th.${name} button`)?.focus();
    });
    cell.append(sort);
    return cell;
  }

  line(row) {
    const line = element("tr");
    line.dataset.lane = String(row.at);
    line.style.setProperty("--lane", colour(row.at));
    const name = element("th", "lane");
    name.scope = "row";
    name.append(element("b", "no", String(row.at + 1)), element("span", "name", row.label), element("span", "details", row.extra));
    line.append(name);
    for (const column of this.columns) line.append(element("td", column.name, String(column.write?.(row) ?? column.key(row))));
    line.append(element("td", "limits", row.marks.map(({ said }) => saySentence(said)).join(" ")));
    const acts = element("td", "acts");
    acts.append(button("quiet", say("race_open_short"), say("race_open", { n: row.at + 1 }), () => this.open(row.at)));
    line.append(acts);
    return line;
  }

  none() {
    const line = element("tr");
    const cell = element("td", "none", say("race_none"));
    cell.colSpan = this.columns.length + 3;
    line.append(cell);
    return line;
  }
}

function named(lane, common) {
  const parts = [lane.spacing !== common.spacing && sayText(lane.spaced), lane.eta && `η ${lane.eta}`];
  if (lane.scale !== common.scale) parts.push(say("race_guided", { scale: lane.scale }));
  const extra = parts.filter(Boolean).join(" · ");
  return { label: lane.label, sampler: lane.sampler, spaced: sayText(lane.spaced), noisy: lane.noisy, extra };
}

/** Infinity stays last in either direction. */
function compare(a, b, up) {
  if (a === b) return 0;
  if (a === Infinity) return 1;
  if (b === Infinity) return -1;
  return up ? a - b : b - a;
}
