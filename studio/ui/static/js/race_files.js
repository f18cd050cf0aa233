// A finished race as files: its numbers as CSV, its pictures as one labelled PNG with the recipe.

import { pixels } from "./pane.js";
import { withText } from "./png_text.js";
import { short } from "./plots.js";
import { details, usual } from "./race_words.js";
import { say } from "./words.js";

const NUMBERS = ["order", "steps", "nfe", "rows", "seconds", "seconds_raced", "rmse", "psnr", "ssim", "lpips", "sharpness"];
const [CELL, GAP, EDGE, HEAD, FOOT] = [256, 16, 24, 64, 44]; // pixels of the picture of pictures

export function saveCsv(race) {
  save(new Blob([csv(race)], { type: "text/csv;charset=utf-8" }), `${name(race)}.csv`);
}

/** RFC 4180, English names, full precision: for other programs. */
export function csv(race) {
  const head = ["lane", "sampler", "spacing", "eta", "guidance", ...NUMBERS, "limits"];
  const lines = race.result.rows.map((row) => {
    const lane = race.lanes[row.lane];
    const psnr = row.psnr >= 999 ? "inf" : row.psnr;
    const numbers = NUMBERS.map((key) => (key === "psnr" ? psnr : row[key]) ?? "");
    return [row.lane + 1, lane.sampler, lane.spacing, lane.eta ?? 0, lane.scale, ...numbers, row.marks.map(({ kind }) => kind).join(" ")];
  });
  return [head, ...lines].map((line) => line.map(quoted).join(",")).join("\r\n") + "\r\n";
}

function quoted(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export async function savePng(race) {
  const canvas = await sheet(race);
  const blob = await canvas.convertToBlob({ type: "image/png" });
  const bytes = withText(new Uint8Array(await blob.arrayBuffer()), "xt-studio-race", race.request.recipe);
  save(new Blob([bytes], { type: "image/png" }), `${name(race)}.png`);
}

/** Every lane's picture and the references', with names and numbers under them. */
async function sheet(race) {
  const shared = usual(race.lanes);
  const cells = race.lanes.flatMap((lane, k) => {
    const row = race.result?.rows.find((one) => one.lane === k);
    if (!race.pictures[k]) return [];
    const error = row?.rmse === null || row?.rmse === undefined ? "" : ` · RMSE ${short(row.rmse)}`;
    return [{ address: race.pictures[k], title: `${k + 1}  ${lane.label}`, line: `${details(lane, shared)} · NFE ${lane.nfe}${error}` }];
  });
  for (const one of race.result?.references ?? [])
    cells.push({ address: one.png, title: say("race_the_reference"), line: say("race_reference_facts", { sampler: one.sampler, n: one.nfe }) });
  const across = Math.min(cells.length, cells.length > 8 ? 5 : 4);
  const down = Math.ceil(cells.length / across);
  const canvas = new OffscreenCanvas(2 * EDGE + across * (CELL + GAP) - GAP, EDGE + HEAD + down * (CELL + FOOT + GAP));
  const context = canvas.getContext("2d");
  const style = getComputedStyle(document.querySelector(".race"));
  const [ink, quiet] = ["--ink", "--quiet"].map((key) => style.getPropertyValue(key).trim());
  context.fillStyle = getComputedStyle(document.body).backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  const write = (text, x, y, size, colour, weight = 400, room = CELL) => {
    context.font = `${weight} ${size}px ${style.fontFamily}`;
    context.fillStyle = colour;
    context.fillText(text, x, y, room);
  };
  const { prompt, seed } = race.request;
  write(prompt || say("race_no_prompt"), EDGE, EDGE + 16, 18, ink, 600, canvas.width - 2 * EDGE);
  write(`${say("seed")} ${seed} · ${say("race_noise", { hash: (race.noise ?? "").slice(0, 12) })}`, EDGE, EDGE + 38, 12, quiet, 400, canvas.width - 2 * EDGE);
  for (const [k, cell] of cells.entries()) {
    const [x, y] = [EDGE + (k % across) * (CELL + GAP), EDGE + HEAD + Math.floor(k / across) * (CELL + FOOT + GAP)];
    const image = await createImageBitmap(await pixels(cell.address), { resizeWidth: CELL, resizeHeight: CELL, resizeQuality: "high" });
    context.drawImage(image, x, y);
    write(cell.title, x, y + CELL + 17, 13, ink, 560);
    write(cell.line, x, y + CELL + 33, 11, quiet);
  }
  return canvas;
}

function save(blob, file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function name(race) {
  const words = race.request.prompt.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 40).replace(/^-|-$/g, "");
  return `race-${words || "unprompted"}-s${race.request.seed}`;
}

