import { signal } from '@preact/signals';
import type { BusClient } from 'millrace/client';

/** How many names of topics completion knows, and how long it does. */
const KNOWN_TOPICS_MAX = 100_000;
const KNOWN_TOPICS_MS = 30_000;

/** The names of the topics that the principal may read, sorted. They are asked for when a field completes topics. */
export const knownTopics = signal<readonly string[]>([]);

let askedAt = Number.NEGATIVE_INFINITY;

export async function learnTopics(client: BusClient): Promise<void> {
  if (performance.now() - askedAt < KNOWN_TOPICS_MS) return;
  askedAt = performance.now();
  try {
    const topics = await client.topics();
    knownTopics.value = topics.slice(0, KNOWN_TOPICS_MAX).map(({ name }) => name);
  } catch {
    // Completion is a convenience; without it names are typed. The next visit of the field asks again.
    askedAt = Number.NEGATIVE_INFINITY;
  }
}
