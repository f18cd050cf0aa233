// The Noise tab's smaller parts: its pictures, its message line, and what a model knows at t.

import { figure, plot, short } from "./plots.js";
import { typeset } from "./typeset.js";
import { say, sayMessage } from "./words.js";

const stage = () => document.querySelector(".noise")?.stage;

/** The bundled pictures, to choose from. */
export function mountPicker({ element, props, trigger, watch }) {
  const box = element.querySelector(".noise_picker");
  const fill = () => {
    const title = Object.assign(document.createElement("span"), { className: "title", textContent: say("noise_pictures") });
    box.replaceChildren(title, ...props.value.pictures.map(({ name, src }) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      const label = say(`noise_picture_${name}`);
      button.append(Object.assign(document.createElement("img"), { src, alt: label }));
      button.title = label;
      button.dataset.name = name;
      button.setAttribute("aria-pressed", String(name === props.value.chosen));
      button.addEventListener("click", () => {
        for (const other of box.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
        trigger("select", { name });
      });
      return button;
    }));
  };
  fill();
  watch("value", fill);
}

export function mountLine({ element, props, watch }) {
  const box = element.querySelector(".noise_message");
  const fill = () => {
    const text = sayMessage(props.value);
    box.className = `noise_message message ${text ? props.value.tone : ""}`;
    box.setAttribute("role", props.value.tone === "error" ? "alert" : "status");
    box.textContent = text;
    box.dataset.key = props.value.key ?? "";
    box.hidden = !text;
  };
  fill();
  watch("value", fill);
}

/** States through the decoder go to the stage as they come. */
export function mountFeed({ props, watch }) {
  watch("value", () => stage()?.feed(props.value));
}

/** A made file goes straight to the visitor. */
export function mountFile({ props, watch }) {
  watch("value", () => {
    const { name, mime, data } = props.value;
    if (!data) return;
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytes], { type: mime }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
}

/** Error of the one-step guess over t, and its pictures. */
export function mountGuesses({ element, props, watch }) {
  const box = element.querySelector(".noise_guesses");
  const hint = hinted(say("noise_knows_hint"));
  const list = Object.assign(document.createElement("div"), { className: "gallery" });
  const curve = figure(say("noise_plot_error"), (svg) => draw(svg));
  curve.box.hidden = true;
  box.append(hint, curve.box, list);
  let key = 0;
  const draw = (svg) => {
    const rows = props.value.rows ?? [];
    if (!rows.length) return;
    const ten = (value) => (value > 0 ? Math.log10(value) : null);
    const points = rows.map((row) => [row.share, ten(row.error)]);
    const whiskers = rows.map((row) => [row.share, ten(row.error), row.standard_error ? row.standard_error / (row.error * Math.LN10) : 0]);
    const blind = rows.map((row) => [row.share, row.blind === null ? null : ten(row.blind)]);
    const low = Math.floor(Math.min(-2, ...points.map(([, y]) => y ?? 0)));
    plot(svg, { x: [0, 1], y: [low, 1], log: true, xLabel: "t/T", height: 190, lines: [{ points: blind, name: "faint" }, { points, name: "a" }], dots: [{ points: whiskers, name: "a" }] }, say("noise_plot_error"));
  };
  const fill = () => {
    const { rows = [], kind } = props.value;
    if (kind !== "guesses") return;
    curve.box.hidden = !rows.length;
    box.dataset.rows = String(rows.length);
    box.dataset.done = String(props.value.done);
    curve.draw();
    if (props.value.key !== key) list.replaceChildren();
    for (const row of rows.filter((one) => one.x0)) {
      let cell = list.querySelector(`[data-index="${row.index}"]`);
      if (!cell) {
        cell = document.createElement("figure");
        cell.dataset.index = String(row.index);
        cell.append(picture(row.xt, "x_t"), picture(row.x0, "x̂0"), document.createElement("figcaption"));
        list.append(cell);
      }
      const spread = row.standard_error === null ? "" : ` ± ${short(row.standard_error, 2)}`;
      cell.lastChild.textContent = `t ${short(row.share)} · ${short(row.error)}${spread}`;
    }
    if (rows.length) stage()?.know(merged(rows), props.value.key !== key);
    if (rows.length) key = props.value.key;
  };
  const seen = new Map();
  const merged = (rows) => {
    if (props.value.key !== key) seen.clear();
    for (const row of rows) if (row.x0) seen.set(row.index, row);
    return [...seen.values()];
  };
  fill();
  watch("value", fill);
}

/** Picture → noise → picture. */
export function mountInversion({ element, props, watch }) {
  const box = element.querySelector(".noise_inversion");
  const hint = hinted(say("noise_invert_hint"));
  const row = Object.assign(document.createElement("div"), { className: "there" });
  const said = Object.assign(document.createElement("p"), { className: "said" });
  box.append(hint, row, said);
  const fill = () => {
    const v = props.value;
    box.dataset.state = v.kind ?? "";
    if (v.kind === "inverting") {
      said.textContent = say(v.back ? "noise_inverting_back" : "noise_inverting", { done: v.done, total: v.total });
      row.replaceChildren(labelled(v.picture, say("noise_state")));
    } else if (v.kind === "inverted") {
      row.replaceChildren(labelled(v.original, say("noise_original")), arrow(), labelled(v.noise, say("noise_found", { mean: short(v.mean), std: short(v.std) })), arrow(), labelled(v.picture, say("noise_again")));
      said.textContent = say("noise_inverted", { method: say(`noise_method_${v.method}`), steps: v.steps, nfe: v.evaluations, rmse: short(v.rmse), psnr: v.psnr >= 99 ? "∞" : v.psnr.toFixed(1) });
      box.dataset.rmse = String(v.rmse);
    }
  };
  fill();
  watch("value", fill);
}

/** x_t in single steps, beside the closed form. */
export function mountWalk({ element, props, watch }) {
  const box = element.querySelector(".noise_walked");
  const hint = hinted(say("noise_walk_hint"));
  const list = Object.assign(document.createElement("div"), { className: "gallery" });
  box.append(hint, list);
  const fill = () => {
    const rows = props.value.rows ?? [];
    box.dataset.rows = String(rows.length);
    list.replaceChildren(...rows.map((v) => {
      const cell = document.createElement("figure");
      const words = document.createElement("figcaption");
      typeset(words, say("noise_walked", { steps: v.steps, exact: short(v.exact, 2), mean: short(v.mean, 2), std: short(v.std, 4), ks: short(v.ks, 2) }));
      words.style.whiteSpace = "pre-line";
      cell.append(picture(v.picture, `x_t, t ${short(v.share)}`), words);
      return cell;
    }));
  };
  fill();
  watch("value", fill);
}

/** How often training draws each t. */
export function mountDensities({ element, props }) {
  const box = element.querySelector(".noise_density");
  const sets = props.value.densities ?? [];
  const names = ["a", "b", "c", "d"];
  const made = figure(say("noise_plot_densities"), (svg) => {
    const lines = sets.map((set, index) => ({ name: names[index % 4], points: set.values.map((y, k) => [(k + 0.5) / set.values.length, y]) }));
    const top = Math.max(...sets.flatMap((set) => set.values)) * 1.05;
    plot(svg, { x: [0, 1], y: [0, Math.min(top, 8)], lines, xLabel: "t/T", height: 190 }, say("noise_plot_densities"));
  });
  const key = Object.assign(document.createElement("p"), { className: "key" });
  key.append(...sets.map((set, index) => Object.assign(document.createElement("span"), { className: names[index % 4], textContent: say(`noise_density_${set.id}`) })));
  const hint = hinted(say("noise_densities_hint"));
  box.append(hint, made.box, key);
}

function hinted(text) {
  return typeset(Object.assign(document.createElement("p"), { className: "hint" }), text);
}

function picture(src, alt) {
  return Object.assign(document.createElement("img"), { src, alt });
}

function labelled(src, caption) {
  const box = document.createElement("figure");
  box.append(picture(src, caption), Object.assign(document.createElement("figcaption"), { textContent: caption }));
  return box;
}

const arrow = () => Object.assign(document.createElement("span"), { className: "arrow", textContent: "→" });
