import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openManifest, resolveCursor } from '../../../src/store/directory/directory.js';
import { DirectoryLock } from '../../../src/store/directory/lock.js';
import { readManifest } from '../../../src/store/directory/manifest.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../../src/store/sqlite/driver/driver.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { restore } from '../../../src/store/upkeep/restore.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { temporaryDirectory } from '../directories.js';
import { record } from '../records.js';

/** A closed directory of one shard with this many events, as a plain copy of a directory is. */
function directoryWith(events: number): string {
  const dir = join(temporaryDirectory(), 'data');
  openManifest(dir, { shards: 1, defaultShards: 1 });
  const log = new SqliteShardLog({ file: shardFile(dir, 0), shard: 0 });
  for (let n = 0; n < events; n++) {
    log.append(record({ topic: 'a', payload: n, timestamp: 1000 + n }), 0, 1000 + n);
  }
  log.commit(true, []);
  log.close();
  return dir;
}

describe('restore', () => {
  it('accepts a copy of a closed directory, and begins an epoch that knows the old one', () => {
    const from = directoryWith(10);
    const to = join(temporaryDirectory(), 'restored');
    const before = readManifest(from)!;
    const result = restore(from, to);
    expect(result).toMatchObject({ dir: to, from: before.epoch, heads: [10] });
    const after = readManifest(to)!;
    expect(after.epoch).toBe(result.epoch);
    expect(after.epoch).not.toBe(before.epoch);
    expect([...verifyDirectory(to)]).toEqual([]);
    expect(resolveCursor(after, { epoch: before.epoch, positions: [7] })).toEqual({
      positions: [7],
      gaps: [],
    });
    expect(resolveCursor(after, { epoch: before.epoch, positions: [15] })).toEqual({
      positions: [10],
      gaps: [{ shard: 0, from: 11, to: 15, reason: 'rolled-back' }],
    });
    // The source is unchanged.
    expect(readManifest(from)).toEqual(before);
  });

  it('brings the state of durable consumers back with the events', () => {
    const from = directoryWith(10);
    const lane = { consumer: 'one', lane: 0, round: 1, position: 7, leaseNext: 9, at: 1000 };
    const dead = { consumer: 'one', sequence: 3, diedAt: 1000, attempts: 5, times: 1 } as const;
    const stateOf = ({ consumers }: SqliteShardLog) => [
      consumers.load(),
      consumers.dead('one', 0, 10),
    ];
    const log = new SqliteShardLog({ file: shardFile(from, 0), shard: 0 });
    const open = Uint8Array.of(1, 2, 3);
    log.consumers.put({ ...lane, acked: 6, redelivered: 1, lost: 0, open });
    log.consumers.putDead({ ...dead, state: 0, cause: 'nak', reason: 'it failed' });
    log.commit(true, []);
    const before = stateOf(log);
    log.close();
    const to = join(temporaryDirectory(), 'restored');
    restore(from, to);
    const restored = new SqliteShardLog({ file: shardFile(to, 0), shard: 0 });
    expect(stateOf(restored)).toEqual(before);
    expect(before).toMatchObject([[lane], [dead]]);
    restored.close();
    expect([...verifyDirectory(to)].filter(({ severity }) => severity === 'error')).toEqual([]);
  });

  it('refuses a damaged backup, names the damage, and makes nothing', () => {
    const from = directoryWith(10);
    const database = openDatabase(shardFile(from, 0));
    database.exec("UPDATE events SET payload = CAST('9' AS BLOB) WHERE sequence = 4");
    database.close();
    const to = join(temporaryDirectory(), 'restored');
    expect(() => restore(from, to)).toThrow(
      expect.objectContaining({ code: 'STORE_CORRUPT', message: expect.stringMatching(/1 error/) }),
    );
    expect(existsSync(to)).toBe(false);
  });

  it('refuses a source that is not a backup or is in use, and a target that is not empty', () => {
    const from = directoryWith(1);
    const to = join(temporaryDirectory(), 'restored');
    const invalid = expect.objectContaining({ code: 'OPTION_INVALID' });
    expect(() => restore(temporaryDirectory(), to)).toThrow(invalid);
    mkdirSync(to);
    writeFileSync(join(to, 'note.txt'), 'mine');
    expect(() => restore(from, to)).toThrow(invalid);
    expect(readdirSync(to)).toEqual(['note.txt']);
    const lock = DirectoryLock.acquire(from);
    try {
      expect(() => restore(from, join(to, 'other'))).toThrow(
        expect.objectContaining({ code: 'STORE_LOCKED' }),
      );
    } finally {
      lock.release();
    }
  });

  it('says with a code that the target cannot be written', () => {
    const from = directoryWith(1);
    // The directory's own path is just short enough for the system, and its files' are too long.
    let to = temporaryDirectory();
    while (to.length < 3900) to = join(to, 'd'.repeat(150));
    to = join(to, 'd'.repeat(4090 - to.length - 1));
    const failed = expect.objectContaining({ code: 'STORE_FAILED' });
    expect(() => restore(from, to)).toThrow(failed);
  });
});
