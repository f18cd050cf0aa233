// A network's map: a UNet as a U with its skips, a transformer as a line over its depth, and its
// gates as a table of shades over t.

import { figure, make, plot, short } from "./plots.js";
import { element } from "./race_words.js";
import { say } from "./words.js";

/** Down the left, up the right; a line joins what an up block takes with where it was made. */
export function drawU(blocks) {
  const top = Math.max(...blocks.map(({ rms }) => rms), 1e-9);
  const box = element("div", "umap");
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", say("models_umap", { n: blocks.length, most: short(top) }));
  const { rows, middle } = laidOut(blocks);
  for (const { left, right, skip } of rows) {
    const row = element("div", skip ? "urow skip" : "urow");
    row.append(cell(left, top, "down"), element("span", "join"), cell(right, top, "up"));
    box.append(row);
  }
  const foot = element("div", "umiddle");
  foot.append(...middle.map((block) => cell(block, top, "middle")));
  box.append(foot);
  return box;
}

/** Rows from the top: what was kept on the way down faces the block that takes it. */
export function laidOut(blocks) {
  const down = [];
  const up = [];
  const middle = [];
  blocks.forEach((block, index) => {
    const one = { ...block, index };
    if (block.where === "in" || block.where === "down") down.push(one);
    else if (block.where === "up" || block.where === "out") up.unshift(one);
    else middle.push(one);
  });
  const rows = [];
  let left = 0;
  for (const one of up) {
    const partner = one.skip === null ? -1 : down.findIndex(({ index }) => index === one.skip);
    if (partner < left) {
      rows.push({ left: null, right: one, skip: false });
      continue;
    }
    while (left < partner) rows.push({ left: down[left++], right: null, skip: false });
    rows.push({ left: down[left++], right: one, skip: true });
  }
  while (left < down.length) rows.push({ left: down[left++], right: null, skip: false });
  return { rows, middle };
}

function cell(block, top, side) {
  const box = element("span", `ublock ${side}`);
  if (!block) return box;
  const bar = element("span", "level");
  const fill = element("i");
  fill.style.width = `${Math.max(1, (100 * block.rms) / top).toFixed(1)}%`;
  bar.append(fill);
  box.append(element("span", "name", named(block.name)), element("span", "shape", block.shape.join("×")), bar, element("b", "", short(block.rms)));
  box.title = block.name;
  box.dataset.name = block.name;
  return box;
}

/** "down_blocks.1.resnets.0" → "down 1 · resnet 0". */
function named(name) {
  return name
    .replace("_blocks.", " ")
    .replace("mid_block", "mid")
    .replace(/\.(resnet|attention|downsampler|upsampler)s\.(\d+)/, " · $1 $2")
    .replace(/ampler 0$/, "ample");
}

/** RMS of the stream behind each block of a transformer. */
export function drawStack(blocks) {
  const top = Math.max(...blocks.map(({ rms }) => rms), 1e-9) * 1.08;
  const points = blocks.map(({ rms }, index) => [index, rms]);
  const shapes = [...new Set(blocks.map(({ shape }) => shape.join(" × ")))];
  const made = figure(say("models_stack", { shape: shapes.join(", ") }), (svg) =>
    plot(svg, { x: [0, Math.max(blocks.length - 1, 1)], y: [0, top], lines: [{ points, name: "a" }], dots: [{ points, name: "a" }], xLabel: say("models_depth"), xTicks: whole(blocks.length), height: 180 }, say("models_stack", { shape: shapes.join(", ") })),
  );
  made.box.dataset.blocks = String(blocks.length);
  return made.box;
}

function whole(count) {
  const step = Math.max(1, Math.ceil(count / 12));
  return Array.from({ length: Math.ceil(count / step) }, (_, k) => [k * step, String(k * step)]);
}

/** One table of shades for attention and one for the MLP: t across, depth downwards. */
export function drawGates(gates) {
  const sets = [["models_gates_attention", gates.attention], ["models_gates_mlp", gates.mlp]].filter(([, rows]) => rows.length);
  const top = Math.max(...sets.flatMap(([, rows]) => rows.flat()), 1e-9);
  const drawn = sets.map(([key, rows]) => {
    const made = figure(say(key), (svg) => shades(svg, rows, gates.shares, top, say(key)));
    made.box.classList.add("shades");
    made.box.dataset.blocks = String(rows[0].length);
    return made.box;
  });
  const row = element("div", "gates");
  row.append(...drawn);
  return [row, element("p", "hint", say("models_gates_scale", { most: short(top) }))];
}

const SIDE = { left: 30, right: 6, top: 4, bottom: 20 };

function shades(svg, rows, shares, top, title) {
  const width = Math.max(svg.clientWidth, 140);
  const depth = rows[0].length;
  const tall = Math.max(5, Math.min(16, Math.floor(220 / depth)));
  const height = SIDE.top + SIDE.bottom + tall * depth;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", title);
  const wide = (width - SIDE.left - SIDE.right) / rows.length;
  const parts = [];
  rows.forEach((row, x) =>
    row.forEach((value, y) => {
      const shade = make("rect", { class: "shade", x: SIDE.left + x * wide, y: SIDE.top + y * tall, width: wide + 0.3, height: tall + 0.3, "fill-opacity": (value / top).toFixed(3) });
      const words = make("title", {});
      words.textContent = `t/T ${shares[x].toFixed(2)} · ${y} · ${short(value)}`;
      shade.append(words);
      parts.push(shade);
    }),
  );
  const said = (text, x, y, anchor) => {
    const made = make("text", { class: "tick", x, y, "text-anchor": anchor });
    made.textContent = text;
    parts.push(made);
  };
  said("0", SIDE.left - 5, SIDE.top + tall, "end");
  said(String(depth - 1), SIDE.left - 5, SIDE.top + tall * depth, "end");
  said("t/T 0", SIDE.left, height - 6, "start");
  said("1", width - SIDE.right, height - 6, "end");
  svg.replaceChildren(...parts);
}

/** Lines between the tokens, over a picture. */
export function tokenGrid(rows, columns) {
  const svg = make("svg", { class: "tokens", viewBox: `0 0 ${columns} ${rows}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  for (let x = 1; x < columns; x++) svg.append(make("line", { x1: x, x2: x, y1: 0, y2: rows }));
  for (let y = 1; y < rows; y++) svg.append(make("line", { x1: 0, x2: columns, y1: y, y2: y }));
  return svg;
}
