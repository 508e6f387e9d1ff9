import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { gather } from './support/collector.js';
import { openTestBus, temporaryDirectory } from './support/open.js';
import { within } from './support/wait.js';

/**
 * Programs that never call `close()`. A program with nothing more to do ends, and leaves its directory as if it had
 * closed the bus; a program that has work to do stays alive.
 */
const BUILT = new URL('../../dist/index.js', import.meta.url).href;
const HOOKS = new URL('../../dist/main/test-hooks.js', import.meta.url).href;

interface Ended {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** The imports that every program has. */
const PRELUDE = `
const { openBus } = await import(${JSON.stringify(BUILT)});
const { busHooks } = await import(${JSON.stringify(HOOKS)});
const { Worker } = await import('node:worker_threads');
const dir = process.argv.at(-1);
const event = (payload, topic = 'a.b') => ({ topic, type: 't', payload });
const inWorker = (bus, body) => {
  const { data, transferList } = bus.attachment();
  const code = \`(async () => {
    const { attachBus } = await import(${JSON.stringify(BUILT)});
    const { parentPort, workerData } = await import('node:worker_threads');
    const bus = attachBus(workerData);
    const event = (payload, topic = 'a.b') => ({ topic, type: 't', payload });
    \${body}
  })()\`;
  return new Worker(code, { eval: true, workerData: data, transferList });
};
`;

/** A module that runs as `node` runs one, in a process of its own. */
function start(dir: string, body: string) {
  const args = ['--input-type=module', '--eval', PRELUDE + body, '--', dir];
  return follow(spawn(process.execPath, args));
}

function follow(child: ReturnType<typeof spawn>) {
  const said = { stdout: '', stderr: '' };
  child.stdout?.on('data', (text) => {
    said.stdout += text;
  });
  child.stderr?.on('data', (text) => {
    said.stderr += text;
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, ...said }));
  });
  return { child, said, ended };
}

const ENDED_WELL = { code: 0, signal: null, stdout: '', stderr: '' };

/** A close takes the lock's note away and writes down how far each log went. */
function expectClosedCleanly(dir: string): void {
  expect(existsSync(join(dir, 'lock.json'))).toBe(false);
  expect(JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8'))).toHaveProperty('heads');
}

async function storedIn(dir: string): Promise<unknown[]> {
  const bus = await openTestBus({ dir });
  const events = await gather(bus.read({ topic: '*' }));
  return events.map(({ payload }) => payload);
}

const PROGRAMS: Record<string, { body: string; stored: unknown[] }> = {
  'that opens a bus and does nothing with it': {
    body: 'await openBus({ dir });',
    stored: [],
  },
  'whose alerts watch the bus': {
    body: `const bus = await openBus({ dir, shards: 2, alerts: [{ name: 'a', when: 'any t on a.*' }] });
      await bus.setAlert({ name: 'b', when: 'no event on a.* for 5 min' });
      await bus.publish(event(1));
      await busHooks(bus).judgeAlerts();`,
    stored: [1],
  },
  'that publishes and waits for the ack': {
    body: 'const bus = await openBus({ dir, shards: 2 }); await bus.publish(event(1));',
    stored: [1],
  },
  'that does not wait for its last publishes': {
    body: `const bus = await openBus({ dir, shards: 2 });
      bus.publishMany(Array.from({ length: 3000 }, (_, n) => event(n, 'a.b')));
      bus.tryPublish(event(3000));`,
    stored: Array.from({ length: 3001 }, (_, n) => n),
  },
  'whose publishes wait for room': {
    body: `const bus = await openBus({ dir, shards: 1, ringBytes: 4096 });
      for (let n = 0; n < 400; n++) bus.publish(event(n)).catch(() => process.exit(3));`,
    stored: Array.from({ length: 400 }, (_, n) => n),
  },
  'whose subscription has ended': {
    body: `const bus = await openBus({ dir, shards: 2 });
      const taken = [];
      const subscription = bus.subscribe('a.*', ({ payload }) => {
        if (taken.push(payload) === 2) subscription.unsubscribe();
      });
      await subscription.ready;
      bus.publishMany([event(1), event(2)]);
      await subscription.closed;`,
    stored: [1, 2],
  },
  'whose handler has thrown': {
    body: `const bus = await openBus({ dir, shards: 2, onError: () => {} });
      await bus.subscribe('a.*', () => { throw new Error('no'); }).ready;
      bus.publish(event(1));`,
    stored: [1],
  },
  'that queries, reads, counts, prunes and drains': {
    body: `const bus = await openBus({ dir, shards: 2 });
      await bus.publishMany([event(1), event(2)]);
      if ((await bus.query({ topic: '*' })).length !== 2) throw new Error('query');
      for await (const one of bus.read({ topic: '*' })) one.payload;
      await bus.topics(); await bus.subscribers('a.b'); await bus.stats();
      await bus.prune({ maxEvents: 0 }); await bus.drain(); await bus.drained();`,
    stored: [],
  },
  'that queries and does not wait for the answer': {
    body: `const bus = await openBus({ dir, shards: 2 });
      await bus.publish(event(1));
      bus.query({ topic: '*' }).then(async (found) => bus.publish(event(found.length + 1)));`,
    stored: [1, 2],
  },
  'that opens several buses': {
    body: `const one = await openBus({ dir }); const two = await openBus({ dir: dir + '/two' });
      const three = await openBus({ dir: ':memory:' });
      await three.publish(event(3)); await one.publish(event(1)); await two.publish(event(2));`,
    stored: [1],
  },
  'that has a last event for the moment at which it ends': {
    body: `const bus = await openBus({ dir });
      process.once('beforeExit', () => bus.publish(event('last')));`,
    stored: ['last'],
  },
  'whose worker does not detach': {
    body: `const bus = await openBus({ dir, shards: 2 });
      inWorker(bus, 'await bus.publish(event(1)); bus.publish(event(2)); bus.query({ topic: "*" });');`,
    stored: [1, 2],
  },
  'whose worker has an attachment that it leaves alone': {
    body: `const bus = await openBus({ dir });
      const { data, transferList } = bus.attachment();
      new Worker('', { eval: true, workerData: data, transferList });`,
    stored: [],
  },
  'whose gateway is closed': {
    body: `const bus = await openBus({ dir });
      const gateway = await bus.serve({ port: 0 });
      await bus.publish(event(1)); await gateway.close();`,
    stored: [1],
  },
  'whose shard has died': {
    body: `const bus = await openBus({ dir, shards: 1 });
      await bus.publish(event(1));
      busHooks(bus).crashShard(0);
      await bus.publish(event(2));`,
    stored: [1, 2],
  },
  'that closes its bus at the same time': {
    body: 'const bus = await openBus({ dir }); bus.publish(event(1)); bus.close();',
    stored: [1],
  },
};

describe('a program', () => {
  test.each(Object.entries(PROGRAMS))('%s ends', async (_what, { body, stored }) => {
    const dir = temporaryDirectory();
    const { ended } = start(dir, body);
    expect(await within('its end', ended)).toEqual(ENDED_WELL);
    expectClosedCleanly(dir);
    expect(await storedIn(dir)).toEqual(stored);
  });

  test('written as CommonJS ends', async () => {
    const dir = temporaryDirectory();
    const file = join(temporaryDirectory(), 'program.cjs');
    writeFileSync(
      file,
      `import(${JSON.stringify(BUILT)}).then(async ({ openBus }) => {
        const bus = await openBus({ dir: process.argv[2] });
        bus.publish({ topic: 'a.b', type: 't', payload: 1 });
      });`,
    );
    const { ended } = follow(spawn(process.execPath, [file, dir]));
    expect(await within('its end', ended)).toEqual(ENDED_WELL);
    expectClosedCleanly(dir);
    expect(await storedIn(dir)).toEqual([1]);
  });

  test('that calls process.exit() or throws ends as without a bus', async () => {
    const dir = temporaryDirectory();
    const exits = start(dir, 'await openBus({ dir }); process.exit(7);');
    expect(await within('exit', exits.ended)).toMatchObject({ code: 7, stderr: '' });
    const throws = start(dir, 'await openBus({ dir }); throw new Error("on purpose");');
    const { code, stderr } = await within('throw', throws.ended);
    expect(code).toBe(1);
    expect(stderr).toContain('on purpose');
  });
});

/** Each calls `watch` once it is what it is to be, and has nothing else that would keep it. */
const DAEMONS: Record<string, string> = {
  'that subscribes with a handler': `const bus = await openBus({ dir, shards: 2 });
    await bus.subscribe('a.*', () => {}).ready; watch();`,
  'that iterates over a subscription': `const bus = await openBus({ dir, shards: 2 });
    const subscription = bus.subscribe('a.*');
    subscription.ready.then(watch);
    for await (const event of subscription) event.payload;`,
  'whose worker subscribes': `const bus = await openBus({ dir, shards: 2 });
    const subscribe = 'await bus.subscribe("a.*", () => {}).ready;';
    inWorker(bus, subscribe + 'parentPort.postMessage("ready");').once('message', watch);`,
  'that serves': `const bus = await openBus({ dir, shards: 2 });
    await bus.serve({ port: 0 }); watch();`,
};

/** The timer keeps no program alive: it fires as long as something else does. */
const WATCH = `process.on('beforeExit', () => console.log('ended'));
const watch = () => {
  let turns = 0;
  setInterval(() => { if (++turns === 20) console.log('still here'); }, 10).unref();
};
`;

describe('a program with work to do stays alive:', () => {
  test.each(Object.entries(DAEMONS))('one %s', async (_what, body) => {
    const { child, said, ended } = start(temporaryDirectory(), WATCH + body);
    const stays = new Promise<void>((resolve) => {
      child.stdout?.on('data', () => said.stdout.includes('still here') && resolve());
    });
    await within('many turns of its loop', Promise.race([stays, ended]));
    expect(said).toEqual({ stdout: 'still here\n', stderr: '' });
    child.kill('SIGKILL');
    await ended;
  });
});
