// What the run is doing, in words.

import { figure, say, sayText } from "./words.js";

/** Title, subtitle and the progress line of the stage. */
export function headline(stage) {
  const { message, run } = stage;
  const [title, subtitle] = (LINES[message.kind] ?? LINES.empty)(message, run);
  stage.part("title").textContent = title;
  stage.part("subtitle").textContent = subtitle;
  speak(stage.part("spoken"), ["step", "loading"].includes(message.kind) ? title : `${title} ${subtitle}`.trim());
  const done = run.total ? run.recorded / run.total : 0;
  const bar = stage.part("bar");
  const going = !run.ended && !run.bundled && run.total > 0;
  bar.setAttribute("aria-hidden", String(!going));
  bar.setAttribute("aria-label", title);
  bar.setAttribute("aria-valuemax", String(run.total));
  bar.setAttribute("aria-valuenow", String(run.recorded));
  bar.setAttribute("aria-valuetext", subtitle);
  stage.part("progress").style.width = run.ended || run.bundled ? "0" : `${(100 * done).toFixed(2)}%`;
}

/** A screen reader is told of each stage once; the steps are the progress bar's. */
function speak(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const LINES = {
  empty: () => [say("state_empty"), say("state_empty_sub")],
  recorded: (m) => [
    say("state_recorded"),
    say("state_recorded_sub", { prompt: m.request.prompt, model: m.model }),
  ],
  starting: () => [say("state_starting"), ""],
  queued: (m) => (m.ahead ? [say("state_queued"), say("state_queued_sub", { ahead: m.ahead })] : [say("state_starting"), ""]),
  loading: (m) => [say("state_loading", { model: title(m.model) }), share(m)],
  step: (m) => [say("state_step"), say("state_step_sub", { k: m.index + 1, n: m.total })],
  decoding: () => [say("state_decoding"), say("state_decoding_sub")],
  finished: (m, run) => [
    say(m.early ? "state_early" : "state_finished"),
    say("state_finished_sub", { seconds: figure(m.seconds, 2), n: run.steps ?? run.recorded }),
  ],
  cancelled: (m) => [
    say("state_cancelled"),
    m.recorded ? say("state_cancelled_sub", { n: m.recorded }) : say("state_cancelled_none"),
  ],
  failed: () => [say("state_failed"), ""],
};

/** The checkpoint's title, as the list of models has it. */
function title(id) {
  const entry = document.querySelector(`#model input[value="${CSS.escape(id)}"]`);
  return entry?.parentElement.textContent.trim() || id;
}

function share(message) {
  const part = message.share === null ? "" : ` ${figure(100 * message.share)} %`;
  return `${sayText(message.doing)}${part}`;
}
