import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openManifest } from '../../../src/store/directory/directory.js';
import { PayloadFiles, payloadDirectory } from '../../../src/store/directory/payload-files.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { reshard } from '../../../src/store/upkeep/reshard.js';
import { restore } from '../../../src/store/upkeep/restore.js';
import { verifyDirectory } from '../../../src/store/upkeep/verify.js';
import { eventOf } from '../../../src/testing/events.js';
import { expectBusError } from '../../bus/support/failures.js';
import { temporaryDirectory } from '../directories.js';
import { record } from '../records.js';

const OVER = 1000;

/** A closed directory of one shard: payloads of 500 to 3000 bytes, some equal, and the first of them pruned. */
function directoryWithFiles(): { dir: string; payloads: string[] } {
  const dir = join(temporaryDirectory(), 'data');
  openManifest(dir, { shards: 1, defaultShards: 1 });
  const log = new SqliteShardLog({ file: shardFile(dir, 0), shard: 0, claimCheckBytes: OVER });
  const payloads: string[] = [];
  for (let n = 0; n < 60; n++) {
    const payload = `${n % 40}`.padEnd(500 * (1 + (n % 6)), '-');
    payloads.push(payload);
    log.append(record({ topic: `t.${n % 7}`, payload, timestamp: 1000 + n }), 0, 1000 + n);
  }
  log.commit(true, []);
  log.pruning.prune({ pattern: '*', excessEvents: 10, excessBytes: 0, after: 0 });
  while (log.maintain());
  log.close();
  return { dir, payloads: payloads.slice(10) };
}

function payloadsOf(dir: string, shards: number): string[] {
  const found: string[] = [];
  for (let shard = 0; shard < shards; shard++) {
    const log = new SqliteShardLog({ file: shardFile(dir, shard), shard });
    log.read(
      { after: 0, limit: 1000 },
      (stored) => void found.push(eventOf(stored).payload as string),
    );
    log.close();
  }
  return found;
}

function filesOf(dir: string, shards: number): string[] {
  const logs = Array.from(
    { length: shards },
    (_, shard) => new PayloadFiles(shardFile(dir, shard)),
  );
  return logs.flatMap((files) => [...files.list()].map(({ path }) => path));
}

function errorsOf(dir: string): string[] {
  return [...verifyDirectory(dir)].flatMap((one) => (one.severity === 'error' ? one.message : []));
}

describe('payload files', () => {
  it('are restored from a backup, for the owner only', () => {
    const { dir, payloads } = directoryWithFiles();
    const to = join(temporaryDirectory(), 'restored');
    restore(dir, to);
    expect(filesOf(to, 1)).toHaveLength(filesOf(dir, 1).length);
    for (const file of filesOf(to, 1)) expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(errorsOf(to)).toEqual([]);
    expect(payloadsOf(to, 1)).toEqual(payloads);
  });

  it('of a backup that lacks one are not restored at all', () => {
    const { dir } = directoryWithFiles();
    const to = join(temporaryDirectory(), 'restored');
    const [file] = filesOf(dir, 1);
    rmSync(file!);
    let failure: unknown;
    try {
      restore(dir, to);
    } catch (error) {
      failure = error;
    }
    expectBusError(failure, 'STORE_CORRUPT', file);
    expect(existsSync(payloadDirectory(shardFile(to, 0)))).toBe(false);
  });

  it('lie in files again after a directory has got another number of shards', () => {
    const { dir, payloads } = directoryWithFiles();
    const to = join(temporaryDirectory(), 'resharded');
    reshard({ from: dir, shards: 3, to });
    expect(errorsOf(to)).toEqual([]);
    expect(payloadsOf(to, 3).sort()).toEqual([...payloads].sort());
    // Equal payloads on topics of different shards have a file in each.
    expect(filesOf(to, 3).length).toBeGreaterThanOrEqual(filesOf(dir, 1).length);
    const smallest = Math.min(...filesOf(to, 3).map((file) => statSync(file).size));
    expect(smallest).toBe(Math.min(...filesOf(dir, 1).map((file) => statSync(file).size)));
  });
});
