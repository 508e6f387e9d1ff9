import { JSON_DEPTH_MAX, REDACTION_WORK_MAX } from '../protocol/limits.js';
import { ANY, type RedactionPath, type RedactionStep } from './redaction-path.js';

/**
 * Masks what a set of paths leads to. Payloads are not changed: what has to be masked is copied on the way down to it,
 * and the rest is shared. One thread.
 *
 * All paths are followed at once, by an automaton: a place in a payload is in a state, the steps that are looked for
 * there, and a child's name leads to the next state. A transition is worked out when it is first met and then known, so
 * a node costs one look into a map, however many paths there are. Payloads are strangers' and may be made to meet
 * ever new states: what that may cost is bounded for each payload, and beyond the bound its rest is masked.
 */

export const REDACTED = '[redacted]';

/** A masked value, or the state that its children are in; undefined: nothing below is masked. */
type Outcome = typeof REDACTED | State | undefined;

interface State {
  readonly steps: readonly RedactionStep[];
  /** What the steps name; every other child goes the same way. */
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
  /** Steps looked at to work out the states that are known. */
  #work = 0;
  #workMax = REDACTION_WORK_MAX;

  constructor(paths: readonly RedactionPath[]) {
    this.#masksAll = paths.some(({ first }) => first === undefined);
    this.#first = paths.flatMap(({ first }) => (first === undefined ? [] : [first]));
  }

  get masksNothing(): boolean {
    return !this.#masksAll && this.#first.length === 0;
  }

  /** The value with everything masked that a path leads to: the same object where that is nothing. */
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
    // No payload is so deep. If one were, its rest would be shown to nobody.
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
      // A member called `__proto__` is copied as a member, and being there it is assigned as one.
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

  /** `key`: undefined for a child that no step names. */
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

  /** Two ways may lead to one set of steps (`$..a..a`): it is one state. */
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
