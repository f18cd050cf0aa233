// The numbers behind what is shown, and the sentences under them.

import { figure, say, sayMessage } from "./words.js";

/** Fill the list of numbers for the step that is shown. */
export function readout(list, run, step, final) {
  const level = run.levels[step];
  const { k, n } = run.counted(step);
  const done = run.done;
  const now = run.last;
  const ms = run.ms[step];
  const cells = [
    ["step", run.recorded ? `${final ? n : k}` : "–", `/ ${n || "–"}`],
    ["level_t", level ? figure(final ? 0 : level.t) : "–"],
    ["logsnr", level ? (final ? "∞" : logSnr(level)) : "–"],
    ["nfe", count(done?.nfe ?? now?.nfe), "", "nfe_title"],
    ["rows", count(done?.rows ?? now?.rows), "", "rows_title"],
    ["ms_step", Number.isFinite(ms) ? figure(ms, ms < 10 ? 1 : 0) : "–"],
    done || !now || run.ended
      ? ["took", done ? figure(done.seconds, 2) : "–", "s"]
      : ["left", figure(now.left, 1), "s"],
  ];
  if (run.bundled) cells.splice(4, 1); // its rows were not recorded
  if (run.delta.some(Number.isFinite)) cells.splice(5, 0, ["delta", figure(run.delta[step], 3), "", "delta_title"]);
  fit(list, cells.length);
  cells.forEach(([key, value, unit = "", title = ""], index) => {
    const cell = list.children[index];
    cell.dataset.cell = key;
    cell.title = title ? say(title) : "";
    set(cell.children[0], say(key));
    set(cell.children[1].children[0], value);
    set(cell.children[1].children[1], unit ? ` ${unit}` : "");
  });
}

/** The preview card, what the prompt fell back to, and who shared the forwards. */
export function remarks(box, run) {
  const lines = [];
  if (!run.ended && run.last?.shared) lines.push(say("shared", { n: run.last.shared }));
  const card = run.done?.card;
  if (card) {
    const psnr = card.psnr === null ? say("card_psnr_none") : `${figure(card.psnr, 1)} dB`;
    const step = figure(card.step_ms, card.step_ms < 10 ? 1 : 0);
    lines.push(say(`card_${card.kind}`, { ms: figure(card.ms, 1), step, psnr }));
  }
  for (const note of run.done?.notes ?? []) lines.push(sayMessage(note));
  const wanted = lines.join("\n");
  if (box.dataset.text === wanted) return;
  box.dataset.text = wanted;
  box.replaceChildren(...lines.map((line) => {
    const p = document.createElement("p");
    p.textContent = line;
    return p;
  }));
}

function fit(list, length) {
  while (list.children.length > length) list.lastChild.remove();
  while (list.children.length < length) {
    const cell = document.createElement("div");
    const value = document.createElement("dd");
    value.append(document.createElement("b"), document.createElement("small"));
    cell.append(document.createElement("dt"), value);
    list.append(cell);
  }
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function logSnr({ logsnr, share }) {
  if (logsnr === null) return share > 0.5 ? "−∞" : "∞";
  return figure(logsnr, 2);
}

function count(value) {
  return value === undefined ? "–" : String(value);
}
