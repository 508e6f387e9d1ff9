import { crc32 } from 'node:zlib';

/**
 * The totals of one reader of the bus: the number of events of each type and on each topic, and a fingerprint of the
 * events. Two readers that saw the same events, in any order, have equal totals.
 *
 * Memory: one number for each type and topic, and the last few findings.
 */

const LATEST_MAX = 5;

export class Totals {
  events = 0;
  /** The sum of the checksums of each event's id and topic; the same for every order of the same events. */
  fingerprint = 0;
  /** How many events did not have a higher sequence than the event before on their topic; the bus promises 0. */
  outOfOrder = 0;
  /** @type {Map<string, number>} */
  byType = new Map();
  /** @type {Map<string, number>} */
  byTopic = new Map();
  /** The last findings, newest last. @type {string[]} */
  latest = [];
  /** Files done, by share. @type {Map<number, number>} */
  #filesByShare = new Map();
  /** @type {Map<string, number>} */
  #lastSequence = new Map();

  /** @param {import('millrace').Event} event */
  add(event) {
    const { id, topic, type, sequence = 0 } = event;
    this.events += 1;
    this.fingerprint += crc32(`${id} ${topic}`);
    this.byType.set(type, (this.byType.get(type) ?? 0) + 1);
    this.byTopic.set(topic, (this.byTopic.get(topic) ?? 0) + 1);
    if (sequence <= (this.#lastSequence.get(topic) ?? 0)) this.outOfOrder += 1;
    this.#lastSequence.set(topic, sequence);
    if (type === 'worker_progress') {
      const { share, done } = /** @type {{ share: number, done: number }} */ (event.payload);
      this.#filesByShare.set(share, done);
    } else if (type === 'finding_new') this.#remember(event);
  }

  /** How many files the workers have reported as done. */
  get files() {
    let files = 0;
    for (const count of this.#filesByShare.values()) files += count;
    return files;
  }

  /** @param {string} type */
  count(type) {
    return this.byType.get(type) ?? 0;
  }

  /** @param {import('millrace').Event} event */
  #remember({ topic, payload }) {
    const { path, line, text } = /** @type {{ path: string, line: number, text: string }} */ (
      payload
    );
    this.latest.push(
      `${topic.slice('findings.'.length)}  ${path}${line ? `:${line}` : ''}  ${text}`,
    );
    if (this.latest.length > LATEST_MAX) this.latest.shift();
  }
}

/**
 * @param {Totals} live
 * @param {Totals} replayed
 * @returns {string[]} every difference; empty when they agree
 */
export function differences(live, replayed) {
  const found = [];
  for (const field of /** @type {const} */ (['byType', 'byTopic'])) {
    for (const name of new Set([...live[field].keys(), ...replayed[field].keys()])) {
      const [a, b] = [live[field].get(name) ?? 0, replayed[field].get(name) ?? 0];
      if (a !== b) found.push(`${name}: ${a} live, ${b} replayed`);
    }
  }
  if (found.length === 0 && live.fingerprint !== replayed.fingerprint) {
    found.push('the counts are equal, but they are not the same events');
  }
  for (const [name, totals] of /** @type {const} */ ([
    ['live', live],
    ['replayed', replayed],
  ])) {
    if (totals.outOfOrder > 0) found.push(`${totals.outOfOrder} events out of order, ${name}`);
  }
  return found;
}

/**
 * @param {string} title
 * @param {'byType' | 'byTopic'} field
 * @param {Totals} live
 * @param {Totals} replayed
 */
export function comparison(title, field, live, replayed) {
  const names = [...new Set([...live[field].keys(), ...replayed[field].keys()])].sort();
  const width = Math.max(title.length, ...names.map((name) => name.length));
  const row = (/** @type {string} */ name, /** @type {unknown} */ a, /** @type {unknown} */ b) =>
    `  ${name.padEnd(width)}  ${String(a).padStart(9)}  ${String(b).padStart(9)}`;
  return [
    row(title, 'live', 'replayed'),
    ...names.map((name) => row(name, live[field].get(name) ?? 0, replayed[field].get(name) ?? 0)),
  ].join('\n');
}
