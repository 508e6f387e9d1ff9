import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { claimArchive } from '../../src/archive/root.js';
import { DirectoryTarget } from '../../src/archive/targets/directory-target.js';
import { verifyArchive } from '../../src/archive/verify-archive.js';
import { temporaryDirectory } from '../store/directories.js';
import { ArchivedLog, lineageOf } from './archived-log.js';

/** An archive whose bytes change is never taken for a sound one. */
const lineage = lineageOf();

async function archived(events = 60): Promise<{ archive: string; log: ArchivedLog }> {
  const archive = temporaryDirectory();
  const target = new DirectoryTarget(archive);
  const rules = { segmentBytes: 1 << 20, segmentMs: 0 };
  const log = new ArchivedLog(temporaryDirectory(), target, [{ maxEvents: 1 }], rules, lineage);
  await claimArchive(target, lineage);
  await log.archiver.start();
  const topics = Array.from({ length: events }, (_, n) => `t.${n % 3}`);
  log.publishAll(topics, (n) => ({ n }));
  await log.settle();
  return { archive, log };
}

function filesOf(archive: string): string[] {
  return readdirSync(join(archive, 'shard-000')).map((name) => join(archive, 'shard-000', name));
}

async function findings(archive: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { severity, message } of verifyArchive({ dir: archive }, lineage)) {
    if (severity === 'error') found.push(message);
  }
  return found;
}

describe('an archive', () => {
  test('notices every byte that is flipped, in verify and in a read of all events', async () => {
    const { archive, log } = await archived();
    expect(await findings(archive)).toEqual([]);
    const files = filesOf(archive);
    expect(files).toHaveLength(2);
    for (const file of files) {
      const sound = readFileSync(file);
      for (let at = 0; at < sound.length; at++) {
        const damaged = Buffer.from(sound);
        damaged[at]! ^= 1 << (at % 8);
        writeFileSync(file, damaged);
        expect(await findings(archive), `byte ${at} of ${file}`).not.toEqual([]);
      }
      writeFileSync(file, sound);
    }
    expect(await findings(archive)).toEqual([]);
    log.close();
  });

  test('never gives a reader another event than the one archived', async () => {
    const { archive, log } = await archived(20);
    const expected = (await log.read()).events;
    log.close();
    for (const file of filesOf(archive)) {
      const sound = readFileSync(file);
      for (let at = 0; at < sound.length; at++) {
        const damaged = Buffer.from(sound);
        damaged[at]! ^= 1 << (at % 8);
        writeFileSync(file, damaged);
        const fresh = reopened(archive);
        const outcome = await fresh.read().then(
          ({ events }) => events,
          (error) => error,
        );
        // The list of ids is read by lookups only.
        if (Array.isArray(outcome)) expect(outcome).toEqual(expected.slice(0, outcome.length));
        else expect(outcome).toMatchObject({ code: 'STORE_CORRUPT', details: { file } });
        fresh.close();
      }
      writeFileSync(file, sound);
    }
  });

  test('names a data file that is missing, and tells a missing segment as gone', async () => {
    const { archive, log } = await archived();
    log.close();
    const [manifest, data] = filesOf(archive).sort();
    rmSync(data!);
    const fresh = reopened(archive);
    await expect(fresh.read()).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      details: { file: data },
    });
    rmSync(manifest!);
    fresh.close();
  });
});

/** A reader that knows nothing yet of the archive, on a log that has lost all that is archived. */
function reopened(archive: string): ArchivedLog {
  const log = new ArchivedLog(emptied(), new DirectoryTarget(archive), [], undefined, lineage);
  return log;
}

let kept: string | undefined;
function emptied(): string {
  if (kept !== undefined) return kept;
  const dir = temporaryDirectory();
  const log = new ArchivedLog(dir, new DirectoryTarget(temporaryDirectory()), [{ maxEvents: 1 }]);
  log.publishAll(
    Array.from({ length: 20 }, (_, n) => `t.${n % 3}`),
    (n) => ({ n }),
  );
  while (log.log.pruning.pruneStep(1));
  log.close();
  kept = dir;
  return dir;
}
