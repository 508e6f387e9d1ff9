import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeDirectory } from '../../../src/store/directory/files.js';
import { temporaryDirectory } from '../../bus/support/open.js';

describe('a directory', () => {
  it('is made with its parents, accessible to its owner only', () => {
    const top = join(temporaryDirectory(), 'a');
    makeDirectory(join(top, 'b', 'c'));
    for (const dir of [top, join(top, 'b'), join(top, 'b', 'c')]) {
      expect(statSync(dir).mode & 0o777).toBe(0o700);
    }
  });

  it.runIf(existsSync('/proc'))(
    'is refused below one that takes no new directory, without an endless attempt',
    () => {
      expect(() => makeDirectory('/proc/millrace')).toThrow('ENOENT');
    },
  );
});
