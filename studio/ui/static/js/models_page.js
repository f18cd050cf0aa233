// One checkpoint's page: what it is, what it would take, its parts, and what can be done with it.

import { size, terms } from "./models_list.js";
import { button, element } from "./race_words.js";
import { count, say, sayMessage, sayText } from "./words.js";

export function drawPage(tab) {
  const { details } = tab;
  if (!details || details.id !== tab.chosen) return;
  const page = tab.part("page");
  const head = element("header");
  head.append(element("h2", "", details.title), element("code", "id", details.id));
  head.append(element("p", "knows", sayText(details.knows)));
  const [channels, high, wide] = details.latent;
  const facts = [
    ["models_family", details.family],
    ["models_parameters", details.parameters ? details.parameters.toLocaleString("en") : say("models_no_weights")],
    ["models_on_disk", [size(details.bytes), details.dtype, say(`models_layout_${details.layout}`)].filter(Boolean).join(" · ")],
    ["models_latent", say("models_latent_of", { shape: `${channels} × ${high} × ${wide}`, side: details.size })],
    ["models_prediction", details.prediction],
    ["models_schedule", details.scheduler.map(([name, value]) => (name === "class" ? value : `${name} ${value}`)).join(" · ") || "–"],
    ["models_licence", details.licence],
    ["models_source", details.source === "models" ? say("models_source_folder") : details.source],
    ["models_load_time", details.load_seconds ? say("models_seconds_some", { n: details.load_seconds.toFixed(details.load_seconds < 10 ? 1 : 0) }) : say("models_never_loaded")],
  ];
  const acts = element("div", "acts");
  acts.dataset.part = "acts";
  page.replaceChildren(head, acts, arithmetic(tab), terms(facts), componentTable(details), checkedBox(tab));
  drawProgress(tab);
}

/** Load, unload, check; or how far one of them is, with the way to stop it. */
export function drawProgress(tab) {
  const acts = tab.part("acts");
  if (!acts || !tab.details) return;
  const { id, loaded } = tab.details;
  const going = tab.going;
  if (!going) {
    const load = button(loaded ? "act" : "act primary", say(loaded ? "models_unload" : "models_load"), "", () => (loaded ? tab.unload(id) : tab.load(id)));
    load.id = loaded ? "models_unload" : "models_load";
    load.disabled = !loaded && tab.fit?.plan === "none";
    const check = button("act", say("models_check"), say("models_check_title"), () => tab.begin("check", id));
    check.id = "models_check";
    const state = element("span", "state", loaded ? say("models_is_loaded") : "");
    return acts.replaceChildren(load, check, state);
  }
  const { message } = going;
  const share = message.share ?? (message.total ? message.done / message.total : null);
  const bar = element("div", `progress ${share === null ? "unknown" : ""}`);
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-label", say(`models_going_${going.what}`, { id: going.id }));
  if (share !== null) bar.setAttribute("aria-valuenow", String(Math.round(100 * share)));
  const done = element("span");
  done.style.width = share === null ? "30%" : `${(100 * share).toFixed(1)}%`;
  bar.append(done);
  const words = [say(`models_going_${going.what}`, { id: going.id }), phrase(message), message.total ? `${size(message.done)} / ${size(message.total)}` : ""];
  const stop = button("act", say(going.stopping ? "models_stopping" : `models_stop_${going.what}`), "", () => tab.stop());
  stop.id = "models_stop";
  stop.disabled = Boolean(going.stopping);
  const line = element("p", "doing", words.filter(Boolean).join(" · "));
  acts.replaceChildren(bar, line, stop);
  tab.root.dataset.bytes = String(message.done ?? 0);
}

const phrase = (message) => (message.doing ? (message.doing.key ? sayMessage(message.doing) : sayText(message.doing.text)) : (message.file ?? ""));

/** Weights and work against what is free, as a bar and a sentence; what would leave for it. */
function arithmetic(tab) {
  const box = element("div", "arithmetic");
  const { fit, details } = tab;
  if (!fit) {
    box.append(element("p", "hint", say("models_reckoning")));
    return box;
  }
  box.dataset.plan = fit.plan;
  const need = fit.weights + fit.activations;
  const all = Math.max(fit.free, need);
  const bar = element("div", "bar need");
  for (const [name, bytes] of [["weights", fit.weights], ["work", fit.activations]]) {
    const piece = element("span", name);
    piece.style.width = `max(2px, ${((100 * bytes) / all).toFixed(2)}%)`;
    piece.title = `${say(`models_${name}`)}: ${size(bytes)}`;
    bar.append(piece);
  }
  if (fit.free < need) {
    const edge = element("i", "edge");
    edge.style.left = `${((100 * fit.free) / all).toFixed(2)}%`;
    bar.append(edge);
  }
  const key = element("p", "key");
  key.append(
    element("span", "weights", `${say("models_weights")} ${size(fit.weights)} · ${fit.dtype}`),
    element("span", "work", `${say("models_work")} ≈ ${size(fit.activations)}`),
    element("span", "free", `${say("models_free")} ${size(fit.free)} · ${fit.device}`),
  );
  const plan = element("p", "plan", details.loaded ? say("models_plan_loaded") : say(`models_plan_${fit.plan.split(" ")[0]}`));
  if (!details.loaded && fit.leaves.length) plan.append(" ", say("models_leaves", { names: fit.leaves.join(", ") }));
  box.append(element("h3", "", say("models_arithmetic")), bar, key, plan);
  if (fit.plan === "none") box.append(element("p", "message error", fit.sentence.key ? sayMessage(fit.sentence) : fit.sentence.text));
  return box;
}

function componentTable(details) {
  const box = element("div", "models-scroll");
  if (!details.components.length) return box;
  const table = element("table", "components");
  const head = element("tr");
  for (const name of ["part", "class", "params", "dtype", "disk"]) head.append(Object.assign(element("th", name, say(`models_col_${name}`)), { scope: "col" }));
  const body = document.createElement("tbody");
  for (const part of details.components) {
    const row = element("tr");
    const name = Object.assign(element("th", "part", part.name), { scope: "row" });
    row.append(name, element("td", "class", part.kind), element("td", "params", part.parameters ? count(part.parameters) : "–"), element("td", "dtype", part.dtype || "–"), element("td", "disk", part.bytes ? size(part.bytes) : "–"));
    if (part.parameters) row.querySelector(".params").title = part.parameters.toLocaleString("en");
    body.append(row);
  }
  const top = document.createElement("thead");
  top.append(head);
  table.append(element("caption", "spoken", say("models_components")), top, body);
  box.append(table);
  return box;
}

/** What a check of the files found. */
function checkedBox(tab) {
  const box = element("div", "checked");
  const { checked } = tab;
  box.hidden = !checked;
  if (!checked) return box;
  box.dataset.sound = String(checked.sound);
  const told = (message) => (message.key ? sayMessage(message) : message.text);
  box.append(element("p", `message ${checked.sound ? "" : "error"}`, say(checked.sound ? "models_sound" : "models_unsound", { size: size(checked.bytes), seconds: checked.seconds.toFixed(1) })));
  for (const message of [...checked.found, ...checked.notes]) box.append(element("p", "finding", told(message)));
  return box;
}

