import type { Event } from 'millrace/client';

/** An estimate of the memory that an event takes, in bytes. Pure. */

const EVENT_WEIGHT = 400;
const VALUE_WEIGHT = 16;
const MEMBER_WEIGHT = 24;

export function weightOf(event: Event): number {
  const { topic, type, source, attributes } = event;
  const texts = textWeight(topic) + textWeight(type) + textWeight(source);
  return EVENT_WEIGHT + texts + valueWeight(attributes) + valueWeight(event.payload);
}

/** JSON is at most 64 levels deep, so the recursion is too. */
function valueWeight(value: unknown): number {
  if (typeof value === 'string') return VALUE_WEIGHT + textWeight(value);
  if (typeof value !== 'object' || value === null) return VALUE_WEIGHT;
  let weight = VALUE_WEIGHT;
  if (Array.isArray(value)) {
    for (const item of value) weight += valueWeight(item);
    return weight;
  }
  for (const key in value) {
    weight += MEMBER_WEIGHT + textWeight(key);
    weight += valueWeight((value as Record<string, unknown>)[key]);
  }
  return weight;
}

/** Beyond these, browsers keep two bytes for each unit of a text. */
const BEYOND_LATIN_1 = /[\u0100-\uffff]/;

function textWeight(text: string): number {
  return BEYOND_LATIN_1.test(text) ? 2 * text.length : text.length;
}
