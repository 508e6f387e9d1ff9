import { type ClockStep, RecordingClock } from '../../src/shards/recording-clock.js';

const START = 1_800_000_000_000;
export const MINUTE = 60_000;

/** A machine whose three clocks a test moves. */
export class Machine {
  #elapsed = 5000;
  #slept = 100_000;
  /** The error of its wall clock, ms. */
  wrong = 0;
  readonly steps: string[] = [];

  readonly sources = {
    wall: () => START + this.#elapsed + this.#slept - 105_000 + this.wrong,
    elapsed: () => this.#elapsed,
    uptime: () => this.#elapsed + this.#slept,
  };

  /** `kept`: memory of the clock of another thread, which this one follows. */
  clock(lastRecordedAt = 0, kept?: Float64Array): RecordingClock {
    const onStep = ({ kind }: ClockStep): number => this.steps.push(kind);
    return new RecordingClock(lastRecordedAt, onStep, this.sources, kept);
  }

  get truth(): number {
    return this.sources.wall() - this.wrong;
  }

  /** Time goes by, and the clock is read four times a second, as a shard does at least; without one nobody reads it. */
  pass(ms: number, clock?: RecordingClock): void {
    for (let left = ms; left > 0; left -= 250) {
      this.#elapsed += Math.min(left, 250);
      clock?.now();
    }
  }

  sleep(ms: number): void {
    this.#slept += ms;
  }
}
