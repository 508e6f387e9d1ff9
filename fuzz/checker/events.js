import { crc32 } from 'node:zlib';

/**
 * The events of the checker's clients. What an event has follows from its id, the run's seed and a few numbers, so that
 * a digest is enough to tell whether it came through as it was sent.
 */

/**
 * The digest of an event as it was sent or received: of its topic, type and attributes, and of its payload's text, byte
 * for byte.
 */
export function digestOf({ topic, type, attributes }, payloadText) {
  const named = Object.entries(attributes ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return crc32(JSON.stringify([topic, type, named]) + payloadText);
}

/** The digest of an event as JavaScript reads it. */
export function digestOfEvent(event) {
  return digestOf(event, JSON.stringify(event.payload));
}

/** Texts of numbers that JavaScript does not keep, which a payload has to keep all the same. */
const EXACT = ['9007199254740993', '1e400', '1.0', '-0', '0.1000000000000000055511151231257827'];

/** The payload of an event as text. `exact`: it has a number that only the text keeps. */
export function payloadText(random, id, { bytes, exact = false }) {
  const unit = random.pick([`${id} `, 'é😀 ', `"\\\n${id}`]);
  const fill = unit.repeat(Math.ceil(bytes / unit.length)).slice(0, bytes);
  const text = JSON.stringify({ id, fill: fill.isWellFormed() ? fill : id });
  return exact ? `{"exact":${random.pick(EXACT)},${text.slice(1)}` : text;
}
