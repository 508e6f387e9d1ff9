import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { imageOf } from '../../fuzz/storage/image.js';
import { LogsCase, Remains } from '../../fuzz/storage/logs-case.js';

/** The campaign `errnos` looks at equal remains of processes once; these are the rules by which remains are equal. */
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-remains-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the image of a directory', () => {
  function directory(name: string): string {
    const dir = join(folder, name);
    mkdirSync(join(dir, 'files'), { recursive: true });
    writeFileSync(join(dir, 'files', 'a'), 'payload');
    writeFileSync(join(dir, 'shard-000.db'), 'events');
    writeFileSync(join(dir, 'lock.json'), '{"pid":12,"host":"one"}');
    return dir;
  }

  test('is the same for the same names and bytes, whatever process held the directory', () => {
    const [one, other] = [directory('one'), directory('other')];
    writeFileSync(join(other, 'lock.json'), '{"pid":3456,"host":"one"}');
    expect(imageOf(other)).toBe(imageOf(one));
  });

  test.each<[string, (dir: string) => void]>([
    ['a byte', (dir) => writeFileSync(join(dir, 'shard-000.db'), 'eventS')],
    ['a file in a folder', (dir) => writeFileSync(join(dir, 'files', 'a'), 'payloaD')],
    ['a length', (dir) => appendFileSync(join(dir, 'shard-000.db'), '\0')],
    ['an empty file', (dir) => writeFileSync(join(dir, 'copy.unfinished'), '')],
    ['an empty folder', (dir) => mkdirSync(join(dir, 'files', 'b'))],
    ['a file that is gone', (dir) => rmSync(join(dir, 'lock.json'))],
    ['who may use a file', (dir) => chmodSync(join(dir, 'shard-000.db'), 0o400)],
    ['its holder', (dir) => writeFileSync(join(dir, 'lock.json'), '{"pid":12,"host":"two"}')],
  ])('differs by %s', (_, change) => {
    const [one, other] = [directory('one'), directory('other')];
    change(other);
    expect(imageOf(other)).not.toBe(imageOf(one));
  });

  test('is empty where there is no directory', () => {
    expect(imageOf(join(folder, 'none'))).toBe('');
    expect(imageOf(directory('one'))).not.toBe('');
  });
});

describe('what a process left', () => {
  const ATTEMPT = '["attempt","e1","a","digest"]\n';
  const ACK = '["ack","e1",0,1,"synced"]\n';
  const none = { shards: [], epoch: 'one', verify: [] as string[] };
  let looks: string[];
  let played: number;
  let remains: Remains;

  beforeEach(() => {
    looks = [];
    played = 0;
    remains = new Remains(0);
  });

  /** Plays a case of which the process tells `lines` and leaves `images`; whoever opens what is left sees `seen`. */
  function play({
    operation = 'open',
    lines = ATTEMPT,
    images = { data: 'd', copy: 'c' },
    seen = none,
    exit = 1,
  }: {
    operation?: string;
    lines?: string;
    images?: { data: string; copy: string };
    seen?: object;
    exit?: number;
  }): Promise<string[]> {
    const marks = join(folder, 'marks');
    mkdirSync(join(folder, 'base'), { recursive: true });
    const subject = {
      marks,
      proxy: {
        ask: async (call: string, { dir }: { dir: string }) => {
          if (call === 'failOnLogs') {
            const error = '["error","child","STORE_FULL","BusError"]\n';
            appendFileSync(marks, `["hit","write","x/${played}"]\n${error}${lines}`);
            appendFileSync(marks, `["ended","exit",${exit}]\n`);
            return { value: images };
          }
          looks.push(`${call} ${dir.split('/').at(-1)}`);
          return { value: call === 'observe' ? seen : null };
        },
      },
    };
    const base = { name: 'killed', dir: join(folder, 'base'), truth: { logs: none } };
    const runs = [{ operation, seed: 1, fault: {} }];
    const into = join(folder, `case-${played++}`);
    return new LogsCase({ base, runs, into, subject, remains }).play();
  }

  test('is looked at once if it is the same, and the process told the same', async () => {
    expect(await play({})).toEqual([]);
    expect(await play({})).toEqual([]);
    expect(looks).toEqual(['observe data']);
    expect(remains.looked).toBe(1);
  });

  test('is looked at again if it differs', async () => {
    await play({});
    await play({ images: { data: 'other', copy: 'c' } });
    expect(looks).toEqual(['observe data', 'observe data']);
  });

  test('is looked at again if the process acknowledged more: that may be lost', async () => {
    expect(await play({})).toEqual([]);
    expect(await play({ lines: ATTEMPT + ACK })).toEqual([expect.stringMatching(/^lost: e1/)]);
  });

  test('is looked at each time if it was wrong', async () => {
    const seen = { ...none, verify: ['shard-000.db: damaged'] };
    for (let n = 0; n < 2; n++) {
      expect(await play({ seen })).toEqual(['verify: shard-000.db: damaged']);
    }
    expect(looks).toHaveLength(2);
  });

  test('is looked at again if another operation left it', async () => {
    await play({});
    await play({ operation: 'close' });
    expect(looks).toEqual(['observe data', 'observe data']);
  });

  test('as a copy is made again and looked at once', async () => {
    const again = ['observe data', 'operateOnLogs data', 'observe copy'];
    await play({ operation: 'restore' });
    await play({ operation: 'restore' });
    expect(looks).toEqual(again);
    // The directory is as it was; the copy is not.
    await play({ operation: 'restore', images: { data: 'd', copy: 'other' } });
    expect(looks).toEqual([...again, 'operateOnLogs data', 'observe copy']);
  });

  test('as a copy is looked at again if the process says that it is done', async () => {
    await play({ operation: 'restore' });
    await play({ operation: 'restore', exit: 0 });
    expect(looks.slice(3)).toEqual(['observe copy']);
  });
});
