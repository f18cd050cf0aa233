// At left in the Models tab: the checkpoints, what is held in memory, and what is not offered.

import { button, element } from "./race_words.js";
import { count, say, sayMessage, sayText } from "./words.js";

const GROUPS = 4; // files, of those listed, that are shown before the others are folded

/** 4200000000 → "4.2 GB". */
export function size(bytes) {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
  return `${Math.ceil(bytes / 1e3)} kB`;
}

/** "7.9 M parameters", or that it has none. */
export function parameters(value) {
  return value ? say("parameters_some", { count: count(value) }) : say("models_no_weights");
}

/** How a checkpoint stands to the device: loaded, going, fitting in some way, or not. */
function standing(tab, model) {
  if (tab.going?.id === model.id && tab.going.what === "load") return "going";
  if (model.loaded) return "loaded";
  return { whole: "fits", "model offload": "offload", "sequential offload": "offload", none: "not" }[tab.plans[model.id]] ?? "unknown";
}

export function drawList(tab) {
  const rows = tab.models.map((model) => {
    const state = standing(tab, model);
    const row = button("model", "", "", () => tab.choose(model.id));
    row.dataset.id = model.id;
    row.dataset.standing = state;
    row.setAttribute("aria-pressed", String(model.id === tab.chosen));
    const name = element("span", "name", model.title);
    const mark = element("span", "standing", state === "unknown" ? "" : say(`models_standing_${state}`));
    const facts = element("span", "facts", [model.family, parameters(model.parameters), size(model.bytes), model.licence.replaceAll("-", "\u2011")].join(" · "));
    row.append(name, mark, facts);
    const item = element("li");
    item.append(row);
    return item;
  });
  tab.part("list").replaceChildren(...(rows.length ? rows : [element("li", "none", say("models_none"))]));
}

/** What is held of what may be held, as a bar with one piece a checkpoint; and the device. */
export function drawMemory(tab, memory) {
  const box = tab.part("memory");
  const held = memory.held.reduce((sum, { bytes }) => sum + bytes, 0);
  const head = element("div", "row");
  head.append(element("h3", "", say("models_memory")), element("span", "sum", say("models_held", { held: size(held), budget: size(memory.budget) })));
  const bar = element("div", "bar");
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", say("models_held", { held: size(held), budget: size(memory.budget) }));
  const list = element("ul", "held");
  memory.held.forEach((one, place) => {
    const piece = element("span");
    piece.style.width = `max(3px, ${((100 * one.bytes) / Math.max(memory.budget, held, 1)).toFixed(2)}%)`;
    piece.style.background = `var(--lane-${place % 12})`;
    piece.title = `${one.title}: ${size(one.bytes)}`;
    bar.append(piece);
    list.append(heldRow(tab, one, place));
  });
  if (!memory.held.length) list.append(element("li", "none", say("models_nothing_held")));
  const facts = [
    ["models_device", memory.device_name && memory.device_name !== memory.device ? `${memory.device} · ${memory.device_name}` : memory.device],
    ["models_device_free", `${size(memory.free)} / ${size(memory.total)}`],
    ["models_rss", size(memory.rss)],
    ["models_dtype", memory.dtype],
    ["models_attention", memory.attention],
    ["models_probe", memory.probe.map(([dtype, ms]) => `${dtype} ${ms.toFixed(ms < 10 ? 1 : 0)} ms`).join(" · ")],
  ];
  box.replaceChildren(head, bar, list, terms(facts.filter(([, value]) => value)));
  box.dataset.held = String(memory.held.length);
}

function heldRow(tab, one, place) {
  const row = element("li");
  row.style.setProperty("--lane", `var(--lane-${place % 12})`);
  const use = one.runs ? say("models_in_use", { n: one.runs }) : say("models_idle", { time: ago(one.idle_s) });
  row.append(element("span", "name", one.title), element("span", "facts", `${size(one.bytes)} · ${use}`));
  const free = button("quiet", say("models_unload"), say("models_unload_title", { title: one.title }), () => tab.unload(one.id));
  free.disabled = one.runs > 0;
  row.append(free);
  return row;
}

function ago(seconds) {
  if (seconds < 90) return say("models_seconds", { n: Math.round(seconds) });
  if (seconds < 5400) return say("models_minutes", { n: Math.round(seconds / 60) });
  return say("models_hours", { n: Math.round(seconds / 3600) });
}

/** A list of names and values; the names are keys of the catalogue. */
export function terms(facts) {
  const list = element("dl", "terms");
  for (const [key, value] of facts) {
    const dd = element("dd", "", value);
    dd.dataset.fact = key;
    list.append(element("dt", "", say(key)), dd);
  }
  return list;
}

/** What is not offered and why; and the control networks with their base. */
export function drawMore(tab) {
  const refused = tab.part("refused");
  refused.hidden = !tab.refused.length;
  refused.replaceChildren(
    element("h3", "", say("models_refused")),
    ...folded(tab.refused.map(({ id, why }) => {
      const row = element("p", "refusal");
      row.append(element("b", "", id), element("span", "", why.key ? sayMessage(why) : sayText(why.text)));
      return row;
    })),
  );
  const controls = tab.part("controls");
  controls.hidden = !tab.controls.length;
  controls.replaceChildren(
    element("h3", "", say("models_controls")),
    ...folded(tab.controls.map((one) => {
      const row = element("p", "control");
      const base = tab.models.find(({ id }) => id === one.base);
      const made = one.base ? say("models_control_base", { base: base?.title ?? one.base }) : say("models_control_family", { family: one.family });
      row.append(element("b", "", one.title), element("span", "", [made, parameters(one.parameters), size(one.bytes)].join(" · ")));
      if (base) row.append(button("quiet", say("models_open_base"), say("models_open_base_title", { base: base.title }), () => tab.choose(base.id)));
      return row;
    })),
  );
}

/** The first few, and the others behind a fold. */
function folded(rows) {
  if (rows.length <= GROUPS + 1) return rows;
  const fold = document.createElement("details");
  fold.append(element("summary", "", say("models_more", { n: rows.length - GROUPS })), ...rows.slice(GROUPS));
  return [...rows.slice(0, GROUPS), fold];
}

/** A checkpoint from the hub: its name, what it would take, then the fetch. */
export function drawHub(tab) {
  const box = tab.part("hub");
  const field = Object.assign(element("input"), { type: "text", id: "models_repo", placeholder: "owner/name", maxLength: 200, spellcheck: false });
  field.setAttribute("aria-label", say("models_hub"));
  const said = element("p", "hint", say("models_hub_hint"));
  const go = button("quiet", say("models_hub_fetch"), "", () => tab.begin("fetch", offer.repo, { revision: offer.revision }));
  let offer = null;
  const look = async () => {
    const told = await tab.ask("offer", { repo: field.value });
    offer = told?.offer ?? null;
    go.hidden = !offer;
    said.textContent = offer
      ? say(offer.gated ? "models_hub_gated" : "models_hub_offer", { files: offer.files, size: size(offer.bytes - offer.here), free: size(offer.free), licence: offer.licence || "–", revision: offer.revision.slice(0, 10) })
      : say("models_hub_hint");
  };
  go.hidden = true;
  field.addEventListener("keydown", (event) => event.key === "Enter" && look());
  const line = element("div", "line");
  line.append(field, button("quiet", say("models_hub_look"), "", look), go);
  box.replaceChildren(element("h3", "", say("models_hub")), line, said);
}
