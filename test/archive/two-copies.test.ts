import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../store/directories.js';
import { ArchivedLog, DyingTarget, lineageOf, RULES } from './archived-log.js';

/** Two copies of one directory, of one epoch, that archive in one place: neither takes the other's events for its own. */

const RETENTION = [{ maxEvents: 5 }];
const opened: ArchivedLog[] = [];

afterEach(() => {
  for (const log of opened.splice(0)) log.close();
});

/** A directory with 20 events, most of them archived, and a copy of it. */
async function copies() {
  const archive = temporaryDirectory();
  const lineage = lineageOf();
  const open = (dir: string): ArchivedLog => {
    const log = new ArchivedLog(dir, new DyingTarget(archive), RETENTION, RULES, lineage);
    opened.push(log);
    return log;
  };
  const close = (log: ArchivedLog): void => opened.splice(opened.indexOf(log), 1)[0]!.close();
  const dir = temporaryDirectory();
  const first = open(dir);
  await first.archiver.start();
  publish(first, 20, 'both');
  await first.settle();
  close(first);
  const copy = join(temporaryDirectory(), 'copy');
  cpSync(dir, copy, { recursive: true });
  return { dir, copy, open, close, segments: () => readdirSync(join(archive, 'shard-000')).sort() };
}

function publish(log: ArchivedLog, count: number, by: string): void {
  log.publishAll(Array(count).fill('a'), (sequence) => `${by} ${sequence}`);
}

const isOther = {
  code: 'OPTION_INVALID',
  message: expect.stringContaining('another copy of this directory archives there'),
};

describe('a copy of a directory', () => {
  test('that is opened again alone goes on with the archive', async () => {
    const { copy, open } = await copies();
    const log = open(copy);
    await log.archiver.start();
    publish(log, 20, 'copy');
    await log.settle();
    const { events } = await log.read();
    expect(events.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 40 }, (_, n) => n + 1),
    );
  });

  test('is told of events that its log never had', async () => {
    const { dir, copy, open, close } = await copies();
    const log = open(dir);
    await log.archiver.start();
    publish(log, 20, 'original');
    await log.settle();
    close(log);
    await expect(open(copy).archiver.start()).rejects.toMatchObject(isOther);
  });

  test('is told of other events under the sequences of its own', async () => {
    const { dir, copy, open, close } = await copies();
    const log = open(dir);
    await log.archiver.start();
    publish(log, 20, 'original');
    await log.settle();
    close(log);
    const other = open(copy);
    publish(other, 30, 'copy');
    await expect(other.archiver.start()).rejects.toMatchObject(isOther);
  });

  test('stores nothing beside an original that archives at the same time', async () => {
    const { dir, copy, open, segments } = await copies();
    const [log, other] = [open(dir), open(copy)];
    await log.archiver.start();
    await other.archiver.start();
    publish(log, 20, 'original');
    await log.settle();
    const before = segments();
    publish(other, 30, 'copy');
    await expect(other.settle()).rejects.toMatchObject(isOther);
    await expect(other.settle()).rejects.toMatchObject(isOther);
    expect(segments()).toEqual(before);
    // Nothing of the copy has gone that is archived nowhere.
    expect(other.log.prunedThrough).toBeLessThanOrEqual(20);
    publish(log, 20, 'original');
    await log.settle();
    expect((await log.read()).events).toHaveLength(60);
  });
});
