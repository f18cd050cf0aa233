// One race as the page knows it: its lanes' numbers, the frames seen live and those fetched.

const AT_ONCE = 16;
const FAR = 10; // beyond this a state is noise, or clean, for every purpose
export const WHATS = ["x0", "xt"];

export class Race {
  constructor(message) {
    this.id = message.race;
    this.number = message.number;
    this.bundled = message.kind === "recorded";
    this.frames = new Map(); // "lane what" → [step] → address
    this.pictures = [];
    this.lanes = [];
    this.result = null;
    this.ended = false;
    this.gone = false;
    this.take(message);
  }

  /** Take a message in: its numbers are whole, its frames and pictures are new ones. */
  take(message) {
    this.kind = message.kind === "recorded" ? "finished" : message.kind;
    this.message = message;
    this.request = message.request;
    this.lanes = message.lanes;
    this.noise = message.noise ?? this.noise;
    for (const { lane, index, ...seen } of message.frames)
      for (const what of WHATS) if (seen[what]) this.row(lane, what)[index] = seen[what];
    for (const { lane, png } of message.pictures) this.pictures[lane] = png;
    if (message.result) this.result = message.result;
    this.ended = ["finished", "cancelled", "failed"].includes(this.kind);
  }

  row(lane, what) {
    const key = `${lane} ${what}`;
    if (!this.frames.has(key)) this.frames.set(key, []);
    return this.frames.get(key);
  }

  /** The evaluations of the longest lane, as far as it is known what each will ask. */
  most() {
    return Math.max(1, ...this.lanes.map((lane) => this.total(lane)));
  }

  /** A lane's evaluations in all: counted where it is done, else its steps' usual cost. */
  total(lane) {
    if (lane.state === "done" || (lane.recorded !== undefined && lane.nfe)) return lane.nfe;
    return Math.max(lane.nfe ?? 0, lane.steps * lane.evaluations);
  }

  /** Evaluations asked so far, and those of the whole race. */
  progress() {
    const live = this.lanes.filter((lane) => !["stopped", "failed"].includes(lane.state));
    const done = live.reduce((sum, lane) => sum + (lane.nfe ?? 0), 0);
    const all = live.reduce((sum, lane) => sum + this.total(lane), 0);
    return all ? done / all : 1;
  }

  /** log-SNR from where the lanes begin to where the last of them asks; ends far off are cut. */
  span() {
    const seen = this.lanes.flatMap((lane) => lane.trail.map(([, y]) => y)).filter((y) => y !== null);
    return seen.length ? [Math.min(...seen), Math.max(...seen)].map((y) => Math.max(-FAR, Math.min(FAR, y))) : [-FAR, FAR];
  }

  /** The newest step of a lane whose question was answered by then; -1 before, Infinity at its end.
   *
   * `at` is evaluations on the axis "nfe", and a log-SNR on "snr". */
  step(lane, axis, at) {
    const { trail, state, nfe } = this.lanes[lane];
    if (state === "done" && axis === "nfe" && at >= nfe) return Infinity;
    let found = -1;
    for (const [asked, logsnr, index] of trail) {
      const reached = axis === "nfe" ? asked <= at : (logsnr ?? Infinity) <= at + 1e-6;
      if (reached) found = index;
    }
    const last = trail.at(-1)?.[2];
    return axis === "snr" && state === "done" && found === last && at >= this.span()[1] - 1e-6 ? Infinity : found;
  }

  /** The best address: the step's own frame, else the nearest one seen. */
  frame(lane, what, step) {
    if (step === Infinity) return this.pictures[lane] ?? this.row(lane, what).at(-1);
    const row = this.row(lane, what);
    for (let back = step; back >= 0; back--) if (row[back]) return row[back];
    return row.find(Boolean);
  }

  /** Whether a frame of this kind was ever seen, or could be had. */
  has(what) {
    if (!this.bundled) return true;
    return this.lanes.some((_, lane) => this.row(lane, what).some(Boolean));
  }

  /** Fetch what was not seen live, lane by lane; gives the problem that kept it from any. */
  async fetch(server, what, tell) {
    if (this.bundled || this.gone || this.fetching) return null;
    this.fetching = true;
    try {
      for (let lane = 0; lane < this.lanes.length; lane++) {
        const problem = await this.fill(server, lane, what);
        if (problem) return problem;
        tell();
      }
      return null;
    } catch {
      return { tone: "error", key: "err_unreachable", arguments: {} };
    } finally {
      this.fetching = false;
    }
  }

  async fill(server, lane, what) {
    const row = this.row(lane, what);
    const steps = this.lanes[lane].recorded ?? 0;
    for (let start = 0; start < steps; start += AT_ONCE) {
      const stop = Math.min(start + AT_ONCE, steps);
      if (row.slice(start, stop).filter(Boolean).length === stop - start) continue;
      const answer = await server.frames({ race: this.id, lane, what, start, stop });
      if (answer.problem) {
        this.gone = answer.problem.key !== "err_late";
        return answer.problem;
      }
      answer.frames.forEach((address, offset) => (row[start + offset] ??= address));
    }
    return null;
  }
}
