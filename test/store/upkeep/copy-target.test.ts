import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CopyTarget } from '../../../src/store/upkeep/copy-target.js';
import { temporaryDirectory } from '../directories.js';

/** A directory in which a copy was begun by a process that was killed. */
function unfinished(): string {
  const dir = join(temporaryDirectory(), 'copy');
  const target = CopyTarget.begin(dir);
  writeFileSync(join(dir, 'shard-000.db'), 'half');
  writeFileSync(join(dir, 'alerts.json.new'), 'half');
  mkdirSync(join(dir, 'shard-000.payloads', 'ab'), { recursive: true });
  const note = readdirSync(dir).find((name) => name.startsWith('copy'))!;
  target.end(false);
  expect(withoutLocks(dir)).toEqual([]);
  writeFileSync(join(dir, note), '');
  writeFileSync(join(dir, 'shard-000.db'), 'half');
  mkdirSync(join(dir, 'shard-000.payloads', 'ab'), { recursive: true });
  return dir;
}

function withoutLocks(dir: string): string[] {
  return readdirSync(dir).filter((name) => !name.startsWith('lock.'));
}

describe('the directory of a copy', () => {
  it('is taken again when a copy into it was not finished, and holds no rest of that', () => {
    const dir = unfinished();
    const target = CopyTarget.begin(dir);
    expect(withoutLocks(dir)).toEqual(['copy.unfinished']);
    writeFileSync(join(dir, 'manifest.json'), '{}');
    target.end(true);
    expect(withoutLocks(dir)).toEqual(['manifest.json']);
  });

  it.each(['note.txt', 'manifest.json', 'shard-mine'])(
    'is refused, and left as it is, with %s in it',
    (name) => {
      const dir = unfinished();
      writeFileSync(join(dir, name), 'mine');
      const before = readdirSync(dir);
      expect(() => CopyTarget.begin(dir)).toThrow(
        expect.objectContaining({ code: 'OPTION_INVALID', message: `${dir} is not empty` }),
      );
      expect(readdirSync(dir)).toEqual(before);
    },
  );

  it('is refused with files that no unfinished copy left', () => {
    const dir = temporaryDirectory();
    writeFileSync(join(dir, 'shard-000.db'), 'a log');
    expect(() => CopyTarget.begin(dir)).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    );
    expect(readdirSync(dir)).toEqual(['shard-000.db']);
  });

  it('takes one copy at a time', () => {
    const dir = join(temporaryDirectory(), 'copy');
    const first = CopyTarget.begin(dir);
    expect(() => CopyTarget.begin(dir)).toThrow(expect.objectContaining({ code: 'STORE_LOCKED' }));
    writeFileSync(join(dir, 'manifest.json'), '{}');
    first.end(true);
    expect(() => CopyTarget.begin(dir)).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    );
  });
});
