// Downloads: the server hands the bytes over, and they go straight to a file of the visitor's.

import { say } from "./words.js";
import { report } from "./small.js";

export async function savePicture(stage, button) {
  const { run, picture } = stage;
  await save(button, () => stage.server.picture({ run: run.id, picture }));
}

export async function saveFilm(stage, kind, button) {
  const { run, picture } = stage;
  const what = stage.find("#film_of").value;
  await save(button, () => stage.server.film({ run: run.id, kind, what, picture }));
}

async function save(button, ask) {
  const label = button.textContent;
  button.disabled = true;
  button.textContent = say("making");
  try {
    const answer = await ask();
    if (answer.problem) return report(answer.problem);
    const bytes = Uint8Array.from(atob(answer.data), (letter) => letter.charCodeAt(0));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytes], { type: answer.mime }));
    link.download = answer.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  } catch {
    report({ tone: "error", key: "err_bug", arguments: {} });
  } finally {
    button.disabled = false;
    button.textContent = label;
  }
}
