import { describe, expect, it } from 'vitest';
import type { Fault } from '../../src/auth/grants.js';
import {
  jtiFault,
  parseRevokedFile,
  type RevokedToken,
  revokedFileText,
} from '../../src/auth/revoked-file.js';
import { REVOKED_TOKENS_MAX } from '../../src/protocol/limits/auth.js';

const TIME = '2026-01-31T12:00:00Z';

function parsed(text: string): { tokens: RevokedToken[] | undefined; faults: Fault[] } {
  const faults: Fault[] = [];
  return { tokens: parseRevokedFile(text, faults), faults };
}

describe('the id of a JWT', () => {
  it.each(['a', 'x'.repeat(255), 'a.b', 'a.b.c', 'eyJ', 'a#b', 'é', 'eyJa.b.c.d', '!eyJa.b.c'])(
    '%j can be revoked',
    (jti) => expect(jtiFault(jti)).toBeUndefined(),
  );

  it.each([
    ['eyJhbGci.eyJzdWIi.c2ln', /a JWT itself/],
    ['eyJhbGci.eyJzdWIi.', /a JWT itself/],
    ['x'.repeat(256), /more than 255 characters/],
    ['', /empty/],
    ['#a', /begins with "#"/],
    ['a b', /whitespace/],
    ['a\u0000', /whitespace/],
  ])('%j cannot, and the fault says why', (jti, fault) => {
    expect(jtiFault(jti)).toMatch(fault);
  });
});

describe('the file of revoked tokens', () => {
  it('holds an id a line, then perhaps a time, then perhaps a comment', () => {
    const text = `# all\n  a  \n\nb ${TIME}\nc\t${TIME} # lost\nd # lost too\ne#f\n#g\n`;
    const timed = ['b', 'c'].map((jti) => ({ jti, expiresAt: TIME }));
    const tokens = [{ jti: 'a' }, ...timed, { jti: 'd' }, { jti: 'e#f' }];
    expect(parsed(text)).toEqual({ tokens, faults: [] });
  });

  it('is read as it was written, also if it revokes nothing', () => {
    for (const tokens of [[], [{ jti: 'a' }, { jti: 'b', expiresAt: TIME }]]) {
      const text = revokedFileText(tokens);
      expect(text).toMatch(/^# JWTs that are revoked/);
      expect(text).not.toMatch(/ $/m);
      expect(parsed(text)).toEqual({ tokens, faults: [] });
    }
  });

  it('is refused whole for each fault that it has, by the line', () => {
    const { tokens, faults } = parsed(`a\nb ${TIME} c\nd soon\n${'x'.repeat(256)}\nlast`);
    expect(tokens).toBeUndefined();
    expect(faults).toEqual([
      { path: '', message: 'has no last line end' },
      { path: 'line 2', message: 'holds more than an id and a time' },
      { path: 'line 3', message: `after the id stands no time such as ${TIME}` },
      { path: 'line 4', message: 'an id of more than 255 characters' },
    ]);
  });

  it('is refused if it is empty, as a file is that is being written', () => {
    const message = 'is empty; a line "# none" revokes nothing';
    expect(parsed('')).toEqual({ tokens: undefined, faults: [{ path: '', message }] });
  });

  it('adds its faults to those that were there, which do not count as its own', () => {
    const faults: Fault[] = [{ path: 'other', message: 'is wrong' }];
    expect(parseRevokedFile('a\n', faults)).toEqual([{ jti: 'a' }]);
    expect(parseRevokedFile('a b\n', faults)).toBeUndefined();
    expect(faults).toHaveLength(2);
  });

  it('holds a bounded number of ids', () => {
    const ids = (count: number) => Array.from({ length: count }, (_, n) => `${n}\n`).join('');
    expect(parsed(ids(REVOKED_TOKENS_MAX)).tokens).toHaveLength(REVOKED_TOKENS_MAX);
    const message = `has ${REVOKED_TOKENS_MAX + 1} ids; ${REVOKED_TOKENS_MAX} is the limit`;
    expect(parsed(ids(REVOKED_TOKENS_MAX + 1)).faults).toEqual([{ path: '', message }]);
  });
});
