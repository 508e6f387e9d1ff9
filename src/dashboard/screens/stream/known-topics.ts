import { signal } from '@preact/signals';
import type { BusClient } from 'millrace/client';
import { KNOWN_TOPICS_MAX, KNOWN_TOPICS_MS } from './bounds.js';
import { type KnownTopics, knownTopicsOf } from './topic-completion.js';

/** The names of the topics that the principal may read, for completion. They are asked for when a field needs them. */
export const knownTopics = signal<KnownTopics>({ names: [], isCut: false });

let askedAt = Number.NEGATIVE_INFINITY;

export async function learnTopics(client: BusClient): Promise<void> {
  if (performance.now() - askedAt < KNOWN_TOPICS_MS) return;
  askedAt = performance.now();
  try {
    const topics = await client.topics();
    knownTopics.value = knownTopicsOf(
      topics.map(({ name }) => name),
      KNOWN_TOPICS_MAX,
    );
  } catch {
    // Completion is a convenience; without it names are typed. The next visit of the field asks again.
    askedAt = Number.NEGATIVE_INFINITY;
  }
}
