// One run as the page knows it: its levels, its frames seen live and its frames recorded.

const AT_ONCE = 16;

export class Run {
  constructor(id, number) {
    this.id = id;
    this.number = number;
    this.total = 0;
    this.recorded = 0;
    this.levels = [];
    this.ms = [];
    this.delta = [];
    this.live = { xt: [], x0: [], cond: [], uncond: [] }; // [step][picture] → address
    this.frames = { xt: {}, x0: {}, eps: {} }; // [picture][step] → address
    this.pictures = [];
    this.count = 1;
    this.ended = false;
    this.bundled = false;
    this.last = null; // the newest step's numbers
    this.done = null; // the Finished message
    this.gone = false;
    this.at = null; // place → the step it is of, when the run is over: long runs keep only some
  }

  /** A place as a person counts: the step it is of, and how many the run had. */
  counted(place) {
    return { k: (this.at?.[place] ?? place) + 1, n: this.steps ?? this.total };
  }

  /** Take a Step in. */
  step(message) {
    const { index } = message;
    this.total = message.total;
    this.recorded = index + 1;
    this.levels[index] = message.level;
    this.ms[index] = message.ms;
    this.delta[index] = message.delta ?? NaN;
    for (const what of Object.keys(this.live)) if (message[what].length) this.live[what][index] = message[what];
    this.count = Math.max(this.count, message.x0.length);
    this.last = message;
  }

  /** The bundled run: everything is there at once. */
  static recorded(message) {
    const run = new Run("recorded", 0);
    run.bundled = run.ended = true;
    run.total = run.recorded = message.steps.length;
    run.levels = message.steps;
    run.ms = message.steps.map((step) => step.ms);
    run.frames.xt[0] = message.steps.map((step) => step.xt);
    run.frames.x0[0] = message.steps.map((step) => step.x0);
    run.pictures = [message.picture];
    run.done = { ...message, step_ms: run.ms };
    return run;
  }

  /** The end: levels of the recorded steps, and the pictures if there are any. */
  end(message) {
    this.ended = true;
    this.recorded = message.recorded ?? this.recorded;
    if (message.step_ms) this.ms = message.step_ms;
    if (message.levels?.length) this.settle(message.levels);
    if (message.kind !== "finished") return;
    this.done = message;
    this.steps = message.step_ms.length;
    this.total = this.recorded;
    this.pictures = message.pictures;
    this.count = message.pictures.length;
  }

  /** From here on a place counts recorded steps: what is known by step moves to its place. */
  settle(levels) {
    this.levels = levels;
    this.at = levels.map((level) => level.step);
    const placed = (known) => this.at.map((step) => known[step]);
    this.ms = placed(this.ms);
    this.delta = placed(this.delta);
    for (const what of Object.keys(this.live)) this.live[what] = placed(this.live[what]);
  }

  /** The best address for a frame: the recorded one, else the live one, else the nearest live. */
  frame(what, index, picture) {
    return this.frames[what]?.[picture]?.[index] ?? this.live[what]?.[this.nearest(what, index, picture)]?.[picture];
  }

  /** The step that `frame` really shows: the asked one, or the nearest that was seen. */
  nearest(what, index, picture) {
    if (this.frames[what]?.[picture]?.[index]) return index;
    const seen = this.live[what] ?? [];
    for (let back = index; back >= 0; back--) if (seen[back]?.[picture]) return back;
    for (let on = index; on < seen.length; on++) if (seen[on]?.[picture]) return on;
    return undefined;
  }

  /** How many of its steps came while it ran. */
  seen() {
    return this.live.x0.filter(Boolean).length;
  }

  /** Whether every step of it was seen live. */
  watched(what, picture) {
    for (let index = 0; index < this.recorded; index++) if (!this.live[what][index]?.[picture]) return false;
    return true;
  }

  has(what, picture) {
    const kept = this.frames[what]?.[picture];
    return !!kept && kept.filter(Boolean).length >= this.recorded;
  }

  /** Fetch every recorded frame of one kind, in a few calls; `tell` runs after each.
   *
   * Gives the problem that kept it from any of them. A run whose recording is gone is not asked
   * for again; one that was only late, or out of reach, may be. */
  async fetch(server, what, picture, tell) {
    if (this.bundled || this.gone || this.has(what, picture)) return null;
    const kept = (this.frames[what][picture] ??= []);
    if (kept.fetching) return null;
    kept.fetching = true;
    try {
      for (let start = 0; start < this.recorded; start += AT_ONCE) {
        const stop = Math.min(start + AT_ONCE, this.recorded);
        const answer = await server.frames({ run: this.id, what, picture, start, stop });
        if (answer.problem) {
          this.gone = answer.problem.key !== "err_late";
          return answer.problem;
        }
        answer.frames.forEach((address, offset) => (kept[start + offset] = address));
        tell();
      }
      return null;
    } catch {
      return { tone: "error", key: "err_unreachable", arguments: {} };
    } finally {
      kept.fetching = false;
    }
  }
}
