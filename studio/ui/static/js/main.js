// The page's own script: mounts each part when Gradio has put it there, and listens to the keyboard.

import { MOUNTS as grid } from "./grid.js";
import { MOUNTS as control } from "./control.js";
import { mountGaussians } from "./gaussians.js";
import { MOUNTS as models } from "./models.js";
import { NoiseStage } from "./noise.js";
import { mountDensities, mountFeed, mountFile, mountGuesses, mountInversion, mountLine, mountPicker, mountWalk } from "./noise_panels.js";
import { MOUNTS as prompt } from "./prompt.js";
import { MOUNTS as race } from "./race.js";
import { mountChips, mountHead, mountKnown, mountMessage, mountNote } from "./small.js";
import { Stage } from "./stage.js";
import { MOUNTS as start } from "./start.js";
import { MOUNTS as twin } from "./twin.js";
import { help, language, say } from "./words.js";

const MOUNTS = {
  stage: (parts) => new Stage(parts),
  message: mountMessage,
  chips: mountChips,
  note: mountNote,
  known: mountKnown,
  head: mountHead,
  noise: (parts) => new NoiseStage(parts),
  noise_picker: mountPicker,
  noise_message: mountLine,
  noise_feed: mountFeed,
  noise_file: mountFile,
  noise_guesses: mountGuesses,
  noise_inversion: mountInversion,
  noise_walked: mountWalk,
  gaussians: mountGaussians,
  noise_density: mountDensities,
  ...prompt,
  ...race,
  ...twin,
  ...grid,
  ...control,
  ...models,
  ...start,
};

// A part that fails to mount is reported, and the others are mounted all the same.
window.xt = {
  mount: (kind, parts) => {
    try {
      MOUNTS[kind](parts);
    } catch (error) {
      console.error(`the part ${kind} could not be mounted`, error);
    }
  },
  help,
};
for (const go of window.xtQueue ?? []) go();
window.xtQueue = [];
document.documentElement.lang = language;

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const button = document.querySelector("#generate");
  if (!button || button.offsetParent === null) return;
  event.preventDefault();
  button.click();
});

// A picture dropped anywhere on a stage goes where its recipes are restored.
const RESTORE = { stage: "restore", race: "race_restore" };
const restoring = ({ target }) => RESTORE[target.closest?.("#stage, #race")?.id];
document.addEventListener("dragover", (event) => {
  if (restoring(event)) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  const place = restoring(event);
  const { files } = event.dataTransfer;
  if (!place || !files.length) return;
  event.preventDefault();
  openRestore(place, (input) => {
    input.files = files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
});

function openRestore(place, then) {
  const find = () => document.querySelector(`#${place} input[type=file]`);
  if (find()) return then(find());
  document.querySelector(`#${place}_more button`)?.click();
  const files = setInterval(() => {
    if (!find()) return;
    clearInterval(files);
    then(find());
  }, 50);
}

// Buttons whose whole meaning is a symbol, and hints that fit no line, get a title.
const TITLES = { dice: "dice", generate: "generate_title", stop: "stop_title", finish: "finish_title" };
new MutationObserver((_, observer) => {
  const missing = Object.entries(TITLES).filter(([id, key]) => {
    const button = document.getElementById(id);
    if (!button) return true;
    button.title = say(key);
    if (id === "dice") button.setAttribute("aria-label", say(key));
    return false;
  });
  if (!missing.length) observer.disconnect();
}).observe(document.body, { childList: true, subtree: true });
