// The catalogue's strings in the visitor's language, by the rule that Gradio's own labels follow.

const all = window.gradio_config?.i18n_translations ?? {};
export const language = navigator.language in all ? navigator.language : "en";
const own = all[language] ?? {};
const english = all.en ?? {};

/** The string of `key` with its {holes} filled; an argument may itself be {key, arguments}. */
export function say(key, filling = {}) {
  const template = own[key] ?? english[key] ?? key;
  return template.replace(/\{(\w+)\}/g, (hole, name) => {
    const value = filling[name];
    if (value === undefined || value === null) return hole;
    return typeof value === "object" ? sayMessage(value) : String(value);
  });
}

/** A sentence of the engine's own (a hint, a state): translated where the catalogue has it. */
export function sayText(text) {
  return own[text] ?? text;
}

/** A section of the methods for a help fold, as Markdown; nothing where there is none. */
export function help(section) {
  const key = `methods_${section}`;
  return own[key] ?? english[key] ?? "";
}

/** A message of the server: by its key, or its plain text where the catalogue has none. */
export function sayMessage(message) {
  return message.key ? say(message.key, message.arguments) : (message.text ?? "");
}

/** Put the words into every element that names one. */
export function fillWords(root) {
  for (const element of root.querySelectorAll("[data-word]"))
    element.textContent = say(element.dataset.word);
  for (const element of root.querySelectorAll("[data-title]")) {
    element.title = say(element.dataset.title);
    if (!element.textContent.trim() || element.closest(".choose"))
      element.setAttribute("aria-label", element.title);
  }
}

/** A number with tabular, locale-free digits and a true minus sign. */
export function figure(value, digits = 0) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  return value.toFixed(digits).replace("-", "−");
}

/** 7900000 → "7.9 M". */
export function count(value) {
  if (value >= 1e9) return `${figure(value / 1e9, 1)} B`;
  if (value >= 1e6) return `${figure(value / 1e6, 1)} M`;
  if (value >= 1e3) return `${figure(value / 1e3, 0)} k`;
  return figure(value);
}
