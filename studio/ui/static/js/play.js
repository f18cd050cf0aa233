// Playing a run: a slow loop until somebody touches it, or once on demand.

const LOOP_MS = 2000; // from noise to picture
const HOLD_MS = 2600; // on the picture, before the loop begins again

export const still = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

export class Player {
  /** `go(position)` shows a place in [0, stops]; `changed()` runs when playing starts or stops. */
  constructor(go, changed) {
    this.go = go;
    this.changed = changed;
    this.playing = false;
    this.speed = 1;
    this.stops = 0;
    this.from = 0;
    this.began = 0;
  }

  /** Loop over [0, stops]; `held` begins with the picture's pause rather than with noise. */
  start(stops, { held = false, from = 0 } = {}) {
    this.stops = stops;
    if (stops < 1) return;
    const now = performance.now();
    this.began = held ? now - this.length() : now - (from >= stops ? 0 : (from / stops) * this.length());
    if (this.playing) return;
    this.playing = true;
    this.changed();
    requestAnimationFrame((time) => this.tick(time));
  }

  stop() {
    if (!this.playing) return;
    this.playing = false;
    this.changed();
  }

  /** Change the speed and stay where it is. */
  pace(speed, position) {
    this.speed = speed;
    if (this.playing) this.start(this.stops, { from: position });
  }

  length() {
    return Math.max(LOOP_MS, this.stops * 33) / this.speed;
  }

  tick(time) {
    if (!this.playing) return;
    const along = (time - this.began) / this.length();
    if (along > 1 + HOLD_MS / this.length()) this.began = time;
    this.go(Math.min(this.stops, Math.max(0, Math.floor(along * this.stops + 0.001))));
    requestAnimationFrame((next) => this.tick(next));
  }
}
