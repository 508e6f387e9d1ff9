import { writeSync } from 'node:fs';
import { openBus } from '../../../dist/index.js';

/**
 * `archiving.js DIR ARCHIVE`: a process that publishes on a bus with an archive until it is killed. It writes the last
 * acknowledged sequence on a line of its own, and `archived` once a segment is there.
 */
const [, , dir, archive] = process.argv;
const bus = await openBus({
  dir,
  shards: 1,
  retention: [{ maxEvents: 40 }],
  archive: { dir: archive, segmentBytes: 65_536, segmentMs: 0 },
});
let told = 0;
for (;;) {
  const inputs = Array.from({ length: 25 }, (_, n) => ({
    topic: `t.${n % 3}`,
    type: 'agent_log',
    payload: { pad: 'x'.repeat(200) },
  }));
  const acks = await bus.publishMany(inputs);
  const [{ archive: stats }] = (await bus.stats()).shards;
  if (stats.through > told) {
    told = stats.through;
    writeSync(1, `archived ${told}\n`);
  }
  writeSync(1, `acked ${acks.at(-1).sequence}\n`);
}
