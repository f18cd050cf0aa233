// Where a network looks for each token of a prompt: one small map a token, drawn over what the
// forward made of the picture. Every position is a square; nothing is smoothed.

import { element } from "./race_words.js";
import { typeset } from "./typeset.js";
import { say } from "./words.js";

const ALPHA = 225; // of the strongest square, of 255
const FAINT = 1e-4; // a map whose strongest square has less is left blank: it would show rounding
const MOST_CHOSEN = 0.5; // a mark that takes more than this is said to

/** The maps of one answer into `box`; what was chosen there before is kept. */
export function drawWords(box, a, shown) {
  const kept = (box.kept ??= { layers: "all", scale: "own", token: "" });
  if (!a.heats.some(({ name }) => name === kept.layers)) kept.layers = "all";
  const maps = a.heats.map(opened);
  const large = shown(a.x0, "", element("canvas"));
  large.classList.add("large");
  large.id = "models_words_large";
  const plates = element("div", "plates");
  plates.append(
    shown(a.picture, say("models_trip_picture", { side: a.side })),
    shown(a.xt, say("models_forward_xt", { t: String(Math.round(a.t * 100) / 100) })),
    shown(a.x0, say("models_forward_x0")),
    large,
  );
  const cards = a.tokens.map((token, index) => card(a, token, () => choose(index)));
  const list = element("div", "words-cards");
  list.append(...cards.map(({ button }) => button));
  const draw = () => {
    const heat = a.heats.find(({ name }) => name === kept.layers);
    const bytes = maps[a.heats.indexOf(heat)];
    const top = Math.max(...heat.peaks.filter((_, index) => a.tokens[index].kind === "word"), 1e-12);
    const factor = (index) => (heat.peaks[index] < FAINT ? 0 : kept.scale === "own" ? 1 : heat.peaks[index] / top);
    cards.forEach(({ button, canvas, share }, index) => {
      paint(canvas, heat, bytes[index], factor(index));
      share.textContent = percent(heat.shares[index]);
      button.setAttribute("aria-pressed", String(named(a, index) === kept.token));
      button.title = said(a, heat, index);
    });
    const chosen = Math.max(0, a.tokens.findIndex((_, index) => named(a, index) === kept.token));
    paint(large.querySelector("canvas"), heat, bytes[chosen], factor(chosen));
    const caption = said(a, heat, chosen);
    large.querySelector("img").alt = caption;
    typeset(large.querySelector("figcaption"), caption);
    box.dataset.layers = heat.name;
  };
  const choose = (index) => {
    kept.token = named(a, index);
    draw();
  };
  if (!a.tokens.some((_, index) => named(a, index) === kept.token)) kept.token = named(a, first(a));
  const choices = element("div", "words-choices");
  if (a.heats.length > 1) choices.append(radio("layers", a.heats.map(({ name, layers }) => [name, layersNamed(name, layers)]), kept, draw));
  choices.append(radio("scale", ["own", "one"].map((name) => [name, say(`models_words_${name}`)]), kept, draw));
  box.replaceChildren(plates, choices, list, ...notes(a));
  box.dataset.tokens = String(a.tokens.length);
  draw();
}

/** A group's maps: one Uint8Array a token. */
function opened(heat) {
  const all = Uint8Array.from(atob(heat.maps), (letter) => letter.charCodeAt(0));
  const each = heat.rows * heat.columns;
  return heat.peaks.map((_, index) => all.subarray(index * each, (index + 1) * each));
}

function card(a, token, press) {
  const made = Object.assign(element("button", `words-card ${token.kind}`), { type: "button" });
  const plate = element("span", "plate");
  const canvas = element("canvas");
  plate.append(Object.assign(element("img"), { src: a.x0, alt: "" }), canvas);
  const text = element("span", "token", token.text || say(`models_words_${token.kind}`));
  const share = element("span", "share");
  made.append(plate, text, share);
  if (token.encoder) made.append(element("span", "encoder", token.encoder));
  made.addEventListener("click", press);
  return { button: made, canvas, share };
}

/** One square a position: the signal's colour, the stronger the more was given. */
function paint(canvas, { rows, columns }, bytes, factor) {
  Object.assign(canvas, { width: columns, height: rows });
  const pen = canvas.getContext("2d");
  const drawn = pen.createImageData(columns, rows);
  bytes.forEach((value, place) => drawn.data.set([217, 40, 20, Math.round(ALPHA * Math.min(1, (value * factor) / 255))], 4 * place));
  pen.putImageData(drawn, 0, 0);
}

function radio(name, options, kept, draw) {
  const set = element("fieldset");
  set.id = `models_words_${name}`;
  set.append(element("legend", "", say(`models_words_${name}`)));
  for (const [value, text] of options) {
    const label = element("label");
    const input = Object.assign(element("input"), { type: "radio", name: set.id, value, checked: kept[name] === value });
    input.addEventListener("change", () => {
      kept[name] = value;
      draw();
    });
    label.append(input, element("span", "", text));
    set.append(label);
  }
  return set;
}

function layersNamed(name, n) {
  const key = `models_words_${name.includes("×") ? "size" : name}`;
  return say(key, { side: name, n });
}

/** A token by its place: the same words of another prompt are other tokens. */
function named(a, index) {
  const { text, kind } = a.tokens[index];
  return `${kind} ${text} ${index}`;
}

/** The first word that is there. */
function first(a) {
  return Math.max(0, a.tokens.findIndex(({ kind }) => kind === "word"));
}

function said(a, heat, index) {
  const { text, kind } = a.tokens[index];
  const token = text ? `“${text}”` : say(`models_words_${kind}`);
  return say("models_words_share", { token, share: percent(heat.shares[index]), peak: percent(heat.peaks[index]) });
}

function notes(a) {
  const [all] = a.heats;
  const out = [];
  const begin = a.tokens.findIndex(({ kind }) => kind === "begin");
  if (begin >= 0 && all.shares[begin] > MOST_CHOSEN) out.push(say("models_words_sink", { share: percent(all.shares[begin]) }));
  if (a.pooled) out.push(say("models_words_pooled"));
  if (a.kind === "joint") out.push(say("models_words_joint", { share: percent(1 - all.shares.reduce((sum, share) => sum + share, 0)) }));
  if (a.unshown) out.push(say("models_words_unshown", { n: a.unshown }));
  return out.map((text) => element("p", "hint", text));
}

function percent(share) {
  const value = 100 * Math.max(0, share);
  if (value > 0 && value < 0.1) return "< 0.1 %";
  return `${value >= 9.95 ? value.toFixed(0) : value.toFixed(1)} %`;
}
