import { REDACTION_WORK_MAX } from '../protocol/limits/auth.js';
import { JSON_DEPTH_MAX } from '../protocol/limits/events.js';
import { ANY, type RedactionPath, type RedactionStep } from './redaction-path.js';

/**
 * Masks the values that a set of paths selects. A payload is not changed: objects and arrays on the way to a masked
 * value are copied, and the rest is shared. One thread.
 *
 * An automaton follows all paths at once. Its state, at a place in a payload, is the set of steps to look for there,
 * and a child's name leads to the next state. A transition is computed when it is first met and then kept, so a node
 * costs one lookup in a map, however many paths there are. A payload may be made to produce ever new states, so the
 * work for each payload is bounded; beyond the bound, the rest of the payload is masked.
 */

export const REDACTED = '[redacted]';

/** `REDACTED`: the value is masked. A state: the one for the value's children. `undefined`: nothing below is masked. */
type Outcome = typeof REDACTED | State | undefined;

interface State {
  readonly steps: readonly RedactionStep[];
  /** The names and indexes that the steps look for; all other children share one transition, `other`. */
  readonly selectors: ReadonlySet<RedactionStep['selector']>;
  readonly byKey: Map<string | number, Outcome>;
  other: Outcome | typeof UNKNOWN;
}

const UNKNOWN = Symbol('not worked out yet');

export class Masker {
  readonly #first: readonly RedactionStep[];
  readonly #masksAll: boolean;
  readonly #ids = new Map<RedactionStep, number>();
  #states = new Map<string, State>();
  /** How many steps were examined to compute the states kept here. */
  #work = 0;
  #workMax = REDACTION_WORK_MAX;

  constructor(paths: readonly RedactionPath[]) {
    this.#masksAll = paths.some(({ first }) => first === undefined);
    this.#first = paths.flatMap(({ first }) => (first === undefined ? [] : [first]));
  }

  get masksNothing(): boolean {
    return !this.#masksAll && this.#first.length === 0;
  }

  /** The value with everything masked that a path selects; the same object if nothing is. */
  mask(value: unknown): unknown {
    if (this.#masksAll) return REDACTED;
    if (this.#work > REDACTION_WORK_MAX) {
      this.#states = new Map();
      this.#work = 0;
    }
    this.#workMax = this.#work + REDACTION_WORK_MAX;
    return this.#within(value, this.#stateOf(new Set(this.#first)), 0);
  }

  #within(value: unknown, state: Outcome, depth: number): unknown {
    if (state === REDACTED) return REDACTED;
    if (state === undefined || typeof value !== 'object' || value === null) return value;
    // Payloads are limited to this depth. Should one be deeper, its rest is masked.
    if (depth >= JSON_DEPTH_MAX) return REDACTED;
    return Array.isArray(value)
      ? this.#elements(value, state, depth)
      : this.#members(value as Record<string, unknown>, state, depth);
  }

  #elements(elements: readonly unknown[], state: State, depth: number): readonly unknown[] {
    let copy: unknown[] | undefined;
    for (let i = 0; i < elements.length; i++) {
      const masked = this.#within(elements[i], this.#next(state, i), depth + 1);
      if (masked !== elements[i]) (copy ??= elements.slice())[i] = masked;
    }
    return copy ?? elements;
  }

  #members(
    members: Readonly<Record<string, unknown>>,
    state: State,
    depth: number,
  ): Readonly<Record<string, unknown>> {
    let copy: Record<string, unknown> | undefined;
    for (const name of Object.keys(members)) {
      const value = members[name];
      const masked = this.#within(value, this.#next(state, name), depth + 1);
      if (masked === value) continue;
      // The spread copies a member called `__proto__` as an own property, so the assignment does not change the
      // prototype.
      (copy ??= { ...members })[name] = masked;
    }
    return copy ?? members;
  }

  #next(state: State, key: string | number): Outcome {
    if (!state.selectors.has(key)) {
      if (state.other === UNKNOWN) state.other = this.#workOut(state, undefined);
      return state.other;
    }
    const known = state.byKey.get(key);
    if (known !== undefined || state.byKey.has(key)) return known;
    const outcome = this.#workOut(state, key);
    state.byKey.set(key, outcome);
    return outcome;
  }

  /** Computes a transition. `key` is `undefined` for a child that no step names. */
  #workOut({ steps }: State, key: string | number | undefined): Outcome {
    this.#work += steps.length;
    if (this.#work > this.#workMax) return REDACTED;
    const onward = new Set<RedactionStep>();
    for (const step of steps) {
      if (step.isDeep) onward.add(step);
      if (step.selector !== ANY && step.selector !== key) continue;
      if (step.next === undefined) return REDACTED;
      onward.add(step.next);
    }
    return this.#stateOf(onward);
  }

  /** The state of a set of steps. Several ways may lead to the same set (`$..a..a`), which is one state. */
  #stateOf(steps: ReadonlySet<RedactionStep>): State | undefined {
    if (steps.size === 0) return undefined;
    const ids = [...steps].map((step) => this.#idOf(step)).sort((a, b) => a - b);
    const name = ids.join();
    const known = this.#states.get(name);
    if (known !== undefined) return known;
    const selectors = new Set([...steps].map(({ selector }) => selector));
    const state: State = { steps: [...steps], selectors, byKey: new Map(), other: UNKNOWN };
    this.#states.set(name, state);
    return state;
  }

  #idOf(step: RedactionStep): number {
    const known = this.#ids.get(step);
    if (known !== undefined) return known;
    const id = this.#ids.size;
    this.#ids.set(step, id);
    return id;
  }
}
