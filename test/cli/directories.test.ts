import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/store/sqlite/driver/driver.js';
import { run, startServer, temporaryDirectory } from './support/command.js';

const jsonLines = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

/** A directory with 300 events on three topics, closed. */
async function filledDirectory(shards: number): Promise<string> {
  const server = await startServer(join(temporaryDirectory(), 'data'), ['--shards', `${shards}`]);
  const input = Array.from({ length: 100 }, (_, n) => String(n)).join('\n');
  for (const topic of ['a.1', 'a.2', 'b']) {
    expect((await server.run(['pub', topic, '-'], { input })).code).toBe(0);
  }
  expect(await server.stop()).toBe(0);
  return server.dir;
}

describe('verify', () => {
  it('finds a sound directory sound, in use or not', async () => {
    const dir = await filledDirectory(2);
    const { code, stdout, stderr } = await run(['verify', dir]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toContain('sound');
    await startServer(dir);
    const used = await run(['verify', dir, '--json']);
    expect(used.code).toBe(0);
    expect(jsonLines(used.stdout)).toMatchObject([{ severity: 'note' }]);
  });

  it('says what is wrong and where, and exits with 1', async () => {
    const dir = await filledDirectory(1);
    const database = openDatabase(join(dir, 'shard-000.db'));
    database.exec('DELETE FROM events WHERE sequence = 17');
    database.close();
    const { code, stdout } = await run(['verify', dir]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^error {2}shard-000\.db/m);
    expect(stdout).toContain('17');
    const json = await run(['verify', dir, '--json']);
    expect(json.code).toBe(1);
    expect(jsonLines(json.stdout)[0]).toMatchObject({ severity: 'error', shard: 0 });
    expect((await run(['verify', temporaryDirectory()])).code).toBe(1);
  });
});

describe('reshard', () => {
  it('copies to another number of shards, which serve the same events', async () => {
    const dir = await filledDirectory(2);
    const to = join(temporaryDirectory(), 'copy');
    const { code, stdout, stderr } = await run([
      'reshard',
      dir,
      '--shards',
      '3',
      '--to',
      to,
      '--json',
    ]);
    expect(stderr).toContain('copied 300 events');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ events: 300, shards: 3, to, losses: [] });
    expect((await run(['verify', to])).code).toBe(0);
    const contents = async (directory: string) => {
      const server = await startServer(directory);
      const query = await server.run(['query', '*', '--limit', '1000', '--json']);
      await server.stop();
      const byTopic = new Map<string, unknown[]>();
      for (const { topic, id, payload, timestamp } of jsonLines(query.stdout)) {
        byTopic.set(topic, [...(byTopic.get(topic) ?? []), [id, payload, timestamp]]);
      }
      return byTopic;
    };
    expect(await contents(to)).toEqual(await contents(dir));
  });

  it('refuses a target that is not empty, a source that is not a directory of events, and one in use', async () => {
    const dir = await filledDirectory(1);
    const to = join(temporaryDirectory(), 'copy');
    const full = await run(['reshard', dir, '--shards', '2', '--to', dir]);
    expect(full.code).toBe(2);
    expect(full.stderr).toContain('not empty');
    const none = await run(['reshard', temporaryDirectory(), '--shards', '2', '--to', to]);
    expect(none.code).toBe(2);
    await startServer(dir);
    const used = await run(['reshard', dir, '--shards', '2', '--to', to]);
    expect(used.code).toBe(1);
    expect(used.stderr).toContain('STORE_LOCKED');
  });

  it('is recommended by the error for a wrong number of shards', async () => {
    const dir = await filledDirectory(1);
    const { code, stderr } = await run(['serve', '--dir', dir, '--shards', '2', '--port', '0']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/SHARD_COUNT_MISMATCH/);
    expect(stderr).toContain('millrace reshard');
  });
});
