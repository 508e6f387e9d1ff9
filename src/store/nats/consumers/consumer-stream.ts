/** Where a store keeps what its nodes have to know of durable consumers. */
import { BusError } from '../../../protocol/errors.js';
import type { NatsLink } from '../nats-link.js';
import type { NatsSettings } from '../nats-options.js';
import { assertReplicas, madeStream, streamInfo } from '../streams.js';

export function consumerStream(prefix: string): string {
  return `${prefix}-consumers`;
}

/** The subject of a shard's journal; `*`: of all of them. */
export function journalSubject(prefix: string, shard: number | '*'): string {
  return `${prefix}.consumers.${shard}`;
}

/** Where messages between nodes go; no stream keeps them. */
export function postSubject(prefix: string, address: string): string {
  return `${prefix}.post.${address}`;
}

/**
 * Makes the stream of the journals, or takes the one that is there.
 * @param replicas how many servers keep each event
 * @throws BusError `OPTION_INVALID` naming what does not fit, or that it is missing and may not be made
 */
export async function ensureConsumerStream(
  link: NatsLink,
  settings: NatsSettings,
  replicas: number,
): Promise<void> {
  const { prefix, storage = 'file' } = settings;
  const name = consumerStream(prefix);
  const subject = journalSubject(prefix, '*');
  const wanted = {
    name,
    subjects: [subject],
    description: 'Millrace: the states of durable consumers',
    retention: 'limits' as const,
    discard: 'new' as const,
    storage,
    num_replicas: replicas,
    allow_direct: true,
  };
  const found = await streamInfo(link, name);
  const { config } = found ?? (await madeStream(link, settings, name, wanted));
  const needs: [string, unknown, unknown][] = [
    ['subjects', subject, config.subjects?.join(' ')],
    ['retention', 'limits', config.retention],
    ['discard', 'new', config.discard],
    ['max_age', 0, config.max_age],
    ['max_msgs_per_subject', -1, config.max_msgs_per_subject],
    ['no_ack', false, config.no_ack ?? false],
    ['sealed', false, config.sealed ?? false],
    ['deny_purge', false, config.deny_purge ?? false],
    ['mirror', 'none', config.mirror === undefined ? 'none' : config.mirror.name],
    ['allow_direct', true, config.allow_direct ?? false],
  ];
  for (const [field, needed, is] of needs) {
    if (needed === is) continue;
    throw new BusError(
      'OPTION_INVALID',
      `natsStore: stream ${name} does not fit: ${field} is ${String(is)}, and durable consumers need ` +
        `${String(needed)}: change it (nats stream edit ${name}), or take another prefix`,
      { details: { stream: name, field, needed, found: is } },
    );
  }
  assertReplicas(name, config.num_replicas, replicas);
}
