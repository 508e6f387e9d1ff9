import { appendFileSync } from 'node:fs';
import { openBus } from '../../../dist/index.js';

/**
 * A process of its own that publishes large payloads, some of them equal, prunes the oldest,
 * and reports what was acknowledged, until it is killed. Arguments: the directory, the file of reports, a number for its
 * life.
 */
const [, , dir, told, life] = process.argv;
const bus = await openBus({ dir, shards: 2, claimCheckBytes: 16_384, dedupeWindowMs: 0 });
const KINDS = 12;

for (let round = 0; ; round++) {
  const inputs = Array.from({ length: 1 + (round % 5) }, (_, n) => {
    const kind = (round * 7 + n * 3) % KINDS;
    // Every third payload is one of a few; the others are unlike all.
    const mark = kind % 3 === 0 ? `same-${kind}` : `${life}-${round}-${n}`;
    return {
      topic: `large.${kind}`,
      type: 'large',
      id: `l${life}-${round}-${n}`,
      payload: { mark, fill: 'x'.repeat(1000 * (1 + kind * 4)) },
    };
  });
  const durability = round % 4 === 0 ? 'written' : 'synced';
  const acks = await bus.publishMany(inputs, { durability });
  const lines = acks.map(({ shard, sequence, id }) => `${shard} ${sequence} ${id}\n`);
  appendFileSync(told, lines.join(''));
  if (round % 3 === 2) await bus.prune({ pattern: 'large.*', maxEvents: 15 });
}
