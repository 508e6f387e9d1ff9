import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type * as errors from '../../src/protocol/errors.js';
import { BusError, ERROR_CODES } from '../../src/protocol/errors.js';
import { built } from '../testing/subjects.js';

const ERRORS_PAGE = readFileSync(new URL('../../docs/ERRORS.md', import.meta.url), 'utf8');

describe('docs/ERRORS.md', () => {
  const sections = ERRORS_PAGE.split(/^### /m).slice(1);

  it('has a heading for every code, and no others', () => {
    const headings = sections.map((section) => section.slice(0, section.indexOf('\n')));
    expect(headings.sort()).toEqual([...ERROR_CODES].sort());
  });

  it('gives the meaning, the cause and the cure of each', () => {
    for (const section of sections) {
      for (const part of ['**Meaning.** ', '**Cause.** ', '**Cure.** ']) {
        expect(section).toContain(part);
      }
    }
  });
});

describe('a BusError', () => {
  it('is an Error with a code, and with details and a cause if there are any', () => {
    const cause = new Error('disk');
    const error = new BusError('STORE_FULL', 'no room', { details: { shard: 1 }, cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'BusError',
      code: 'STORE_FULL',
      details: { shard: 1 },
      cause,
    });
    const bare = new BusError('TIMEOUT', 'late');
    expect('details' in bare || 'cause' in bare).toBe(false);
  });

  it('is one for another copy of the package, and what extends it is not', async () => {
    const other = (await built<typeof errors>('protocol/errors')).BusError;
    expect(other).not.toBe(BusError);
    expect(new other('TIMEOUT', 'late')).toBeInstanceOf(BusError);
    class Special extends BusError {}
    expect(new Special('TIMEOUT', 'late')).toBeInstanceOf(Special);
    for (const no of [new BusError('TIMEOUT', 'late'), new other('TIMEOUT', 'late')]) {
      expect(no).not.toBeInstanceOf(Special);
    }
    for (const no of [new Error('late'), 'TIMEOUT', null, undefined, { code: 'TIMEOUT' }]) {
      expect(no instanceof BusError).toBe(false);
    }
  });

  it('crosses a thread or a socket as data', () => {
    for (const details of [undefined, { path: 'topics[1]' }]) {
      const error = new BusError('FILTER_INVALID', 'no', details === undefined ? {} : { details });
      const copy = BusError.from(JSON.parse(JSON.stringify(error)));
      expect(copy).toBeInstanceOf(BusError);
      expect(copy.toJSON()).toEqual(error.toJSON());
      expect(copy.message).toBe('no');
    }
  });
});
