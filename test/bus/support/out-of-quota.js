import { writeSync } from 'node:fs';

/**
 * A process whose quota runs out: see `test/support/quota.c`. `out-of-quota.js DIR`: publishes until events are
 * refused, removes the stored events, publishes again, and prints the results as lines of JSON.
 */
const { openBus } = await import(process.env.MILLRACE ?? '../../../dist/index.js');
const [, , dir] = process.argv;

const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`);

const bus = await openBus({ dir, shards: 1, systemEvents: false, onError: () => {} });
const publish = (n) =>
  bus.publish({ topic: 'a', type: 't', payload: { n, pad: 'x'.repeat(20_000) } }).then(
    () => 'stored',
    ({ code }) => code,
  );
const publishUntil = async (first, isEnough) => {
  const outcomes = {};
  for (let n = first; !isEnough(outcomes) && n < first + 2000; n++) {
    const outcome = await publish(n);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  return outcomes;
};

say(await publishUntil(0, ({ stored, ...refused }) => Object.values(refused)[0] === 5));
const { events } = await bus.prune({ maxEvents: 0 });
say({ pruned: events });
say(await publishUntil(5000, ({ stored }) => stored === 20));
const [{ restarts, state }] = (await bus.stats()).shards;
say({ restarts, state });
await bus.close();
