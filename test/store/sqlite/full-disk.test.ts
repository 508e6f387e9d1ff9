import { cpSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EVENT_FLAG_PERSIST } from '../../../src/record/event-record.js';
import { endNew, newEpoch, openManifest } from '../../../src/store/directory/directory.js';
import { readManifest } from '../../../src/store/directory/manifest.js';
import { markFile } from '../../../src/store/directory/mark.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../../src/store/sqlite/driver/driver.js';
import { continueHistory } from '../../../src/store/sqlite/history.js';
import { identityOf } from '../../../src/store/sqlite/log-state.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { expectBusError } from '../../bus/support/failures.js';
import { giveBack, onSmallDisk, takeAllRoom } from '../../support/small-disk.js';
import { temporaryDirectory } from '../directories.js';
import { record } from '../records.js';

const PAGE = 4096;

function failureOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** Opens the log with as little room as the opening needs. */
function openWithLeast(open: () => SqliteShardLog, ballast: string): SqliteShardLog {
  for (;;) {
    try {
      return open();
    } catch (error) {
      expectBusError(error, 'STORE_FULL');
      giveBack(ballast, PAGE);
    }
  }
}

function writtenOf(log: SqliteShardLog, batches: number): void {
  for (let n = 0; n < batches; n++) {
    log.append(
      record({ topic: 'a', flags: EVENT_FLAG_PERSIST, payload: 'x'.repeat(100) }),
      0,
      1000,
    );
    log.commit(false, []);
  }
}

describe('on a disk that is full', () => {
  it('a manifest that does not fit leaves the old manifest in place', async (context) => {
    await onSmallDisk(context, temporaryDirectory(), (disk) => {
      const dir = join(disk, 'data');
      let manifest = openManifest(dir, { shards: 1, defaultShards: 1 });
      for (let n = 0; n < 100; n++) manifest = newEpoch(dir, manifest, 'a test', [n]);
      const ballast = join(disk, 'ballast');
      takeAllRoom(ballast);
      giveBack(ballast, PAGE);
      expectBusError(
        failureOf(() => newEpoch(dir, manifest, 'one more', [100])),
        'STORE_FULL',
      );
      expect(readManifest(dir)).toEqual(manifest);
      // The part that was written takes no room either.
      giveBack(ballast, 64 * 1024);
      expect(readManifest(dir)).toEqual(manifest);
      expect(newEpoch(dir, manifest, 'one more', [100])).toEqual(readManifest(dir));
    });
  });

  it('a log that cannot be marked as open takes no event until it can', async (context) => {
    await onSmallDisk(context, temporaryDirectory(), (disk) => {
      const dir = join(disk, 'data');
      const made = openManifest(dir, { shards: 1, defaultShards: 1 });
      const identity = identityOf(made);
      const open = () => new SqliteShardLog({ file: shardFile(dir, 0), shard: 0, identity });
      const first = open();
      writtenOf(first, 20);
      first.close();
      const manifest = endNew(dir, made);
      const ballast = join(disk, 'ballast');
      takeAllRoom(ballast);
      const log = openWithLeast(open, ballast);
      expect(isOpen(dir)).toBe(0);
      expectBusError(
        failureOf(() => writtenOf(log, 1)),
        'STORE_FULL',
      );
      rmSync(ballast);
      while (log.maintain());
      writtenOf(log, 20);
      expect(isOpen(dir)).toBe(1);
      // As a power cut leaves it if none of the writes since the opening has reached the disk.
      const left = join(temporaryDirectory(), 'left');
      cpSync(dir, left, { recursive: true });
      log.close();
      truncateSync(`${shardFile(left, 0)}-wal`, 0);
      rmSync(markFile(shardFile(left, 0)));
      expect(continueHistory(left, manifest).earlier.at(-1)?.reason).toMatch(/is gone/);
    });
  });
});

/** Whether the log is marked as open, read over another connection. */
function isOpen(dir: string): unknown {
  const database = openDatabase(shardFile(dir, 0), { readonly: true });
  try {
    return database.prepare("SELECT value FROM meta WHERE key = 'open'").pluck().get();
  } finally {
    database.close();
  }
}
