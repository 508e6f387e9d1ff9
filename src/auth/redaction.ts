import type { Event } from '../protocol/event.js';
import { JSON_DEPTH_MAX, REDACTION_TOPICS_CACHED_MAX } from '../protocol/limits.js';
import { type Grant, GrantSet, grantMatches, parseGrant } from './grants.js';
import {
  ANY,
  parseRedactionPath,
  type RedactionPath,
  type RedactionStep,
} from './redaction-path.js';

/**
 * What a principal does not get to see of the payloads that it reads. Masks of all grants that match a topic apply
 * together, so that a further grant may show more topics, and never more of one. Payloads are not changed: what has
 * to be masked is copied on the way down to it, and the rest is shared. One thread.
 */

export const REDACTED = '[redacted]';

export interface RedactionRule {
  readonly pattern: string;
  readonly redact?: readonly string[];
}

export class Redaction {
  readonly #everywhere: readonly RedactionPath[];
  readonly #rules: readonly { grant: Grant; paths: readonly RedactionPath[] }[];
  readonly #readable: GrantSet;
  /** What is masked in a topic's events; the topic that was used last is the last. */
  readonly #byTopic = new Map<string, readonly RedactionPath[]>();

  /** `rules`: all that may be read, with or without masks; `everywhere`: what is masked in every topic. */
  constructor(rules: readonly RedactionRule[], everywhere: readonly string[] = []) {
    this.#everywhere = everywhere.map(parseRedactionPath);
    this.#rules = rules.map(({ pattern, redact = [] }) => ({
      grant: parseGrant(pattern),
      paths: redact.map(parseRedactionPath),
    }));
    this.#readable = new GrantSet(rules.map(({ pattern }) => pattern));
  }

  get masksAnything(): boolean {
    return this.#everywhere.length > 0 || this.#rules.some(({ paths }) => paths.length > 0);
  }

  apply(event: Event): Event {
    const payload = redactValue(event.payload, this.#pathsOf(event.topic));
    return payload === event.payload ? event : { ...event, payload };
  }

  #pathsOf(topic: string): readonly RedactionPath[] {
    const known = this.#byTopic.get(topic);
    if (known !== undefined) this.#byTopic.delete(topic);
    else if (this.#byTopic.size >= REDACTION_TOPICS_CACHED_MAX) {
      for (const [oldest] of this.#byTopic) {
        this.#byTopic.delete(oldest);
        break;
      }
    }
    const paths = known ?? this.#findPaths(topic);
    this.#byTopic.set(topic, paths);
    return paths;
  }

  #findPaths(topic: string): readonly RedactionPath[] {
    // Nothing that may not be read should come here; if it does, nothing of it is shown.
    if (!this.#readable.covers(topic)) return [WHOLE];
    const segments = topic.split('.');
    const matching = this.#rules.filter(({ grant }) => grantMatches(grant, segments));
    const paths = [...this.#everywhere, ...matching.flatMap((rule) => rule.paths)];
    return [...new Map(paths.map((path) => [path.text, path])).values()];
  }
}

const WHOLE: RedactionPath = parseRedactionPath('$');

/** The value with everything masked that a path leads to: the same object where that is nothing. */
export function redactValue(value: unknown, paths: readonly RedactionPath[]): unknown {
  const steps: RedactionStep[] = [];
  for (const { first } of paths) {
    if (first === undefined) return REDACTED;
    steps.push(first);
  }
  return maskWithin(value, steps, 0);
}

function maskWithin(value: unknown, steps: readonly RedactionStep[], depth: number): unknown {
  if (steps.length === 0 || typeof value !== 'object' || value === null) return value;
  // No payload is so deep. If one were, its rest would be shown to nobody.
  if (depth >= JSON_DEPTH_MAX) return REDACTED;
  return Array.isArray(value)
    ? maskElements(value, steps, depth)
    : maskMembers(value as Record<string, unknown>, steps, depth);
}

function maskElements(
  elements: readonly unknown[],
  steps: readonly RedactionStep[],
  depth: number,
): readonly unknown[] {
  let copy: unknown[] | undefined;
  for (let i = 0; i < elements.length; i++) {
    const masked = maskChild(elements[i], i, steps, depth);
    if (masked !== elements[i]) (copy ??= elements.slice())[i] = masked;
  }
  return copy ?? elements;
}

function maskMembers(
  members: Readonly<Record<string, unknown>>,
  steps: readonly RedactionStep[],
  depth: number,
): Readonly<Record<string, unknown>> {
  let copy: Record<string, unknown> | undefined;
  for (const name of Object.keys(members)) {
    const value = members[name];
    const masked = maskChild(value, name, steps, depth);
    if (masked === value) continue;
    // A member called `__proto__` is copied as a member, and being there it is assigned as one.
    (copy ??= { ...members })[name] = masked;
  }
  return copy ?? members;
}

function maskChild(
  value: unknown,
  key: string | number,
  steps: readonly RedactionStep[],
  depth: number,
): unknown {
  const onward: RedactionStep[] = [];
  for (const step of steps) {
    if (step.isDeep) addOnce(onward, step);
    if (step.selector !== ANY && step.selector !== key) continue;
    if (step.next === undefined) return REDACTED;
    addOnce(onward, step.next);
  }
  return maskWithin(value, onward, depth + 1);
}

/** Two ways may lead to one step (`$..a..a`); following it twice would double the work at each level. */
function addOnce(steps: RedactionStep[], step: RedactionStep): void {
  if (!steps.includes(step)) steps.push(step);
}
