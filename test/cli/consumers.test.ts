import { describe, expect, it } from 'vitest';
import { startServer } from './support/command.js';

/** The commands about consumers, against a server in a process of its own. */

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const objects = (text: string) => lines(text).map((line) => JSON.parse(line));

describe('the command consumers', () => {
  it('makes, lists, shows, directs and deletes consumers', async () => {
    const server = await startServer(undefined, ['--shards', '1']);
    const consumers = (...args: string[]) => server.run(['consumers', ...args]);
    const definition = ['--filter', 'orders.*', '--type', 'order_due', '--order', 'topic'];
    const made = await consumers(
      'create',
      'mailer',
      ...definition,
      '--lease',
      '1m',
      '--backoff',
      '1s,2s',
    );
    expect(made).toMatchObject({ code: 0, stdout: '' });
    const again = await consumers('create', 'mailer', '--filter', 'orders.*');
    expect(again).toMatchObject({ code: 1, stdout: '' });
    expect(again.stderr).toMatch(
      / exists with another .*; --update would change it \(CONSUMER_EXISTS\)/,
    );
    expect((await consumers('show', 'mailer')).stdout).toMatch(/^lease +1 min$/m);
    const updated = await consumers('create', 'mailer', ...definition, '--update', '--json');
    expect(objects(updated.stdout)).toMatchObject([
      { name: 'mailer', definition: { leaseMs: 30_000, order: 'topic' } },
    ]);
    for (const count of [1, 2]) {
      await server.run(['pub', `orders.${count}`, '{}', '--type', 'order_due', '--count', '2']);
    }
    const list = await consumers();
    expect(lines(list.stdout)[0]).toMatch(/^name +state +pending/);
    expect(lines(list.stdout)[1]).toMatch(/^mailer +active .* orders\.\*, type order_due$/);
    const [info] = objects((await consumers('show', 'mailer', '--json')).stdout);
    expect(info).toMatchObject({ name: 'mailer', paused: false, shards: [{ shard: 0 }] });
    expect((await consumers('show', 'mailer')).stdout).toMatch(/^order +topic$/m);
    const none = await consumers('show', 'nobody');
    expect(none).toMatchObject({ code: 1, stdout: '' });
    expect(none.stderr).toContain('CONSUMER_UNKNOWN');
    expect(await consumers('pause', 'mailer')).toMatchObject({
      code: 0,
      stderr: 'millrace: paused mailer\n',
    });
    expect((await consumers('list')).stdout).toMatch(/^mailer +paused/m);
    await consumers('resume', 'mailer');
    const open = objects((await consumers('open', 'mailer', '--json')).stdout);
    expect(open.map(({ state }) => state)).toEqual(['ready', 'held', 'ready', 'held']);
    const held = objects((await consumers('held-keys', 'mailer', '--json')).stdout);
    expect(held.map(({ key, waiting }) => [key, waiting])).toEqual([
      ['orders.1', 1],
      ['orders.2', 1],
    ]);
    expect(lines((await consumers('held-keys', 'mailer')).stdout)[1]).toMatch(/^orders\.1 +1 +0:/);
    const dry = await consumers('seek', 'mailer', '--from', 'now', '--dry-run', '--json');
    expect(objects(dry.stdout)).toEqual([{ again: 0, passed: 4, inFlight: 0, unseen: 0 }]);
    const { shard, sequence } = open[0];
    expect((await consumers('skip', 'mailer', `${shard}:${sequence}`)).code).toBe(0);
    const missed = await consumers('skip', 'mailer', `${shard}:${sequence}`);
    expect(missed.stderr).toContain('NOT_FOUND');
    expect(missed.code).toBe(1);
    expect(lines((await consumers('open', 'mailer', '--limit', '2')).stdout)).toHaveLength(3);
    expect((await consumers('seek', 'mailer', '--from', 'earliest')).code).toBe(0);
    expect((await consumers('delete', 'mailer')).code).toBe(0);
    expect(objects((await consumers('list', '--json')).stdout)).toEqual([]);
  });

  it('takes events by hand, and says what became of them', async () => {
    const server = await startServer(undefined, ['--shards', '1']);
    const consumers = (...args: string[]) => server.run(['consumers', ...args]);
    await consumers('create', 'hand', '--filter', 'jobs', '--max-attempts', '1');
    expect((await consumers('pull', 'hand')).stderr).toContain('nothing to do');
    // A number that JavaScript does not hold.
    await server.run(['pub', 'jobs', '-'], { input: '9007199254740993\n2\n3\n' });
    const pulled = await consumers('pull', 'hand', '--max', '2', '--wait', '10s', '--json');
    expect(lines(pulled.stdout)[0]).toContain('"payload":9007199254740993');
    const [first, second] = objects(pulled.stdout).map(({ lease }) => lease);
    expect(await consumers('ack', first)).toMatchObject({ code: 0, stdout: '' });
    const late = await consumers('ack', first, '--json');
    expect(objects(late.stdout)).toMatchObject([{ lease: first, code: 'LEASE_LOST' }]);
    expect(late.code).toBe(1);
    expect((await consumers('nak', second, '--no-count')).code).toBe(0);
    const readable = await consumers('pull', 'hand', '--max', '9');
    const leases = lines(readable.stdout).map((line) => line.split('  ')[0]!);
    expect(leases).toHaveLength(2);
    await consumers('term', leases[0]!, '--reason', 'no such order');
    await consumers('nak', leases[1]!, '--reason', 'no time');
    const dead = objects((await consumers('dead', 'hand', '--json')).stdout);
    expect(dead.map(({ cause, reason }) => [cause, reason])).toEqual([
      ['term', 'no such order'],
      ['nak', 'no time'],
    ]);
    const asked = await consumers('redrive', 'hand');
    expect(asked).toMatchObject({ code: 2, stdout: '' });
    expect(asked.stderr).toMatch(/2 dead events of hand would come again\n.*--yes/);
    const dry = await consumers('redrive', 'hand', '--dry-run', '--id', dead[0].id, '--json');
    expect(objects(dry.stdout).map(({ id }) => id)).toEqual([dead[0].id]);
    expect(lines((await consumers('dead', 'hand')).stdout)).toHaveLength(3);
    const redriven = await consumers('redrive', 'hand', '--yes', '--json');
    expect(objects(redriven.stdout)).toHaveLength(2);
    const worked = await consumers('work', 'hand', '--count', '2', '--exec', 'cat');
    expect(worked.code).toBe(0);
    expect(
      objects(worked.stdout)
        .map(({ payload }) => payload)
        .sort(),
    ).toEqual([2, 3]);
    expect(worked.stderr).toContain('2 done');
  });
});
