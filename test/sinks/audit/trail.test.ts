import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verifyTrail } from '../../../src/sinks/audit/verify.js';
import { removeDirectory, temporaryDirectory } from '../../bus/support/open.js';
import { entryOf, eventOf, eventsIn, pathsOf, trailOf, writeTrail } from './support/trails.js';

const entries = (...sequences: number[]) => sequences.map((one) => entryOf(eventOf(one)));

describe('a trail that is written to', () => {
  it('has each event once, whatever comes again, in whichever file it is', async () => {
    const dir = temporaryDirectory();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 8 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 5 }),
        async (batches, reopenEvery) => {
          const own = join(dir, String(Math.random()));
          let trail = trailOf(own);
          const wanted: number[] = [];
          for (const [index, batch] of batches.entries()) {
            if (index % reopenEvery === 0) {
              await trail.close();
              trail = trailOf(own);
            }
            const written = await trail.append(entries(...batch));
            const fresh = [...new Set(batch)].filter((one) => !wanted.includes(one));
            expect(written).toBe(fresh.length);
            wanted.push(...fresh);
          }
          await trail.close();
          if (batches.length === 0) return;
          expect((await eventsIn(own)).map(({ sequence }) => sequence)).toEqual(wanted);
          expect((await verifyTrail(await pathsOf(own))).fault).toBeUndefined();
          removeDirectory(own);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('takes an event of the same place for another one if its id is another', async () => {
    const dir = temporaryDirectory();
    await writeTrail(dir, 2);
    const trail = trailOf(dir);
    expect(await trail.append([entryOf(eventOf(1, { id: 'after-a-restore' }))])).toBe(1);
    expect(await trail.append([entryOf(eventOf(1))])).toBe(0);
    await trail.close();
  });

  it('goes on behind a torn end, and loses or repeats nothing', async () => {
    const dir = temporaryDirectory();
    await writeTrail(dir, 9, 3, { rotateBytes: 1500 });
    const paths = await pathsOf(dir);
    const last = paths.at(-1)!;
    const content = readFileSync(last);
    const firstLineEnd = content.indexOf(10) + 1;
    const whole = await eventsIn(dir);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: content.length - 1 }),
        fc.boolean(),
        async (size, isZeroed) => {
          fc.pre(!isZeroed || size < content.length - 1);
          writeFileSync(last, content.subarray(0, size));
          // After a loss of power the file may be as long as it was, without what was written there.
          if (isZeroed) truncateSync(last, content.length);
          const trail = trailOf(dir, { rotateBytes: 1500 });
          await trail.append(whole.map(entryOf));
          await trail.close();
          expect((await eventsIn(dir)).map(({ id }) => id).sort()).toEqual(
            whole.map(({ id }) => id).sort(),
          );
          const report = await verifyTrail(await pathsOf(dir));
          expect(report.fault).toBeUndefined();
          const isTorn = size > firstLineEnd && content[size - 1] !== 10;
          if (isTorn || (isZeroed && size > firstLineEnd)) expect(report.repairs).toBe(1);
          for (const path of await pathsOf(dir)) if (!paths.includes(path)) removeDirectory(path);
          writeFileSync(last, content);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('stops at anything else that was done to its last file', async () => {
    const dir = temporaryDirectory();
    await writeTrail(dir, 3, 3, { rotateBytes: 1_000_000 });
    const [path] = (await pathsOf(dir)) as [string];
    const content = readFileSync(path, 'utf8');
    for (const [changed, line] of [
      [content.replace('id-2', 'id-9'), 3],
      [content.replace(/^.*"id-2".*\n/m, ''), 4],
      [content.replace('"consumer":"audit"', '"consumer":"other"'), 1],
      [`${content}{}\n`, 5],
    ] as const) {
      writeFileSync(path, changed);
      const trail = trailOf(dir);
      await expect(trail.append(entries(4))).rejects.toMatchObject({
        code: 'AUDIT_BROKEN',
        details: { file: path, line },
      });
      expect(readFileSync(path, 'utf8')).toBe(changed);
    }
  });

  it('begins again a file whose first line was torn', async () => {
    const dir = temporaryDirectory();
    await writeTrail(dir, 3, 3, { rotateBytes: 1_000_000 });
    const next = join(dir, 'audit-000002.ndjson');
    for (const rest of ['', '{"line":5,"prev', '\0\0\0']) {
      writeFileSync(next, rest);
      const trail = trailOf(dir, { rotateBytes: 1_000_000 });
      await trail.append(entries(1, 2, 3));
      await trail.close();
      expect(await pathsOf(dir)).toHaveLength(1);
    }
    writeFileSync(next, 'x'.repeat(5000));
    await expect(trailOf(dir).open()).rejects.toMatchObject({ code: 'AUDIT_BROKEN' });
  });

  it('notices that another process has written, and goes on behind it', async () => {
    const dir = temporaryDirectory();
    const [left, right] = [trailOf(dir), trailOf(dir)];
    for (let at = 1; at <= 40; at += 2) {
      expect(await left.append(entries(at, at + 1))).toBe(2);
      expect(await right.append(entries(at, at + 1, at + 100))).toBe(1);
    }
    const all = Array.from({ length: 20 }, (_, n) => entries(n + 500, n + 501));
    await Promise.all(all.map((batch, n) => (n % 2 ? left : right).append(batch).catch(() => {})));
    await Promise.all([left.close(), right.close()]);
    expect((await verifyTrail(await pathsOf(dir))).fault).toBeUndefined();
  });

  it('is as it was after a failed write, which leaves nothing half done', async () => {
    const dir = temporaryDirectory();
    const trail = trailOf(dir);
    await trail.append(entries(1));
    const before = (await pathsOf(dir)).map((path) => statSync(path).size);
    const [path] = (await pathsOf(dir)) as [string];
    // The file is gone, and a directory has its name: nothing can be opened or written there.
    renameSync(path, `${path}.away`);
    mkdirSync(path);
    appendFileSync(`${path}.away`, 'x');
    await expect(trail.append(entries(2))).rejects.toThrow();
    removeDirectory(path);
    renameSync(`${path}.away`, path);
    expect(await trail.append(entries(1, 2))).toBe(1);
    await trail.close();
    expect((await pathsOf(dir)).map((one) => statSync(one).size)[0]).toBeGreaterThan(before[0]!);
    expect((await verifyTrail(await pathsOf(dir))).fault).toBeUndefined();
  });

  it('is for its owner alone', async () => {
    const dir = join(temporaryDirectory(), 'inner');
    await writeTrail(dir, 1);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    for (const path of await pathsOf(dir)) expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});
