import { openSync, writeSync } from 'node:fs';
import { openBus } from '../../../dist/index.js';

/**
 * A process that publishes and writes its acks to a file, each at once and on its own line. `load DIR SHARDS FILE`: as
 * fast as it can, until it is killed. `marks DIR DURABILITY COUNT`: one event after the other, with a line before each
 * publish and after each ack, for a trace of its system calls.
 */
const [, , mode, dir, argument, count] = process.argv;
const output = mode === 'load' ? openSync(count, 'a') : 1;

const say = (line) => writeSync(output, `${line}\n`);

async function load() {
  const bus = await openBus({ dir, shards: Number(argument), ringBytes: 65_536 });
  let n = 0;
  const publisher = async (durability) => {
    for (;;) {
      const inputs = Array.from({ length: 1 + (n % 7) }, () => ({
        topic: `load.${n % 11}`,
        type: 'agent_log',
        payload: { n: n++ },
        id: `load-${n}`,
      }));
      const acks = await bus.publishMany(inputs, { durability });
      for (const ack of acks) say(`${ack.shard} ${ack.sequence} ${ack.id} ${ack.durability}`);
    }
  };
  await Promise.all(
    Array.from({ length: 24 }, (_, index) => publisher(index % 3 ? 'synced' : 'written')),
  );
}

async function marks() {
  const bus = await openBus({ dir, shards: 1 });
  await bus.publish({ topic: 'warm', type: 'agent_log', payload: 'first' });
  for (let n = 0; n < Number(count); n++) {
    const payload = `payload-${String(n).padStart(4, '0')}-`;
    say(`publish ${payload}`);
    const ack = await bus.publish(
      { topic: 'marks', type: 'agent_log', payload },
      { durability: argument },
    );
    say(`ack ${payload} ${ack.durability}`);
  }
  await bus.close();
}

/** `repeat DIR`: an event that was only written, then repeated by its id with `written` and with `synced`. */
async function repeat() {
  const bus = await openBus({ dir, shards: 1 });
  await bus.publish({ topic: 'warm', type: 'agent_log', payload: 'first' });
  // The batch after a synced one is flushed too.
  await bus.publish({ topic: 'warm', type: 'agent_log', payload: 2 }, { durability: 'written' });
  const input = { topic: 'marks', type: 'agent_log', payload: 'payload-0000-', id: 'again' };
  await bus.publish(input, { durability: 'written' });
  for (const durability of ['written', 'synced']) {
    const ack = await bus.publish(input, { durability });
    say(`ack payload-0000- for ${durability}: ${ack.durability} ${ack.duplicate}`);
  }
  await bus.close();
}

await { load, marks, repeat }[mode]();
