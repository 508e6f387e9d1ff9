import { expect, it } from 'vitest';
import {
  parseBackupOptions,
  parsePruneOptions,
  parseSubscribeOptions,
} from '../../src/endpoint/options.js';
import { messageOf } from '../protocol/messages.js';

it('faulty options of subscribe, prune and backup are described in words', () => {
  const misspelt: object = { form: 'now', overflow: 'drop' };
  expect(messageOf(() => parseSubscribeOptions(misspelt))).toMatch(
    /^subscribe: form: is unknown \(did you mean from\?\); overflow: has to be one of catch-up, .*block, not "drop"$/,
  );
  expect(messageOf(() => parsePruneOptions({}))).toBe('prune: needs before, maxEvents or maxBytes');
  const wrong: object = { progress: 1 };
  expect(messageOf(() => parseBackupOptions('x', wrong))).toBe(
    'backup: progress: is unknown (did you mean onProgress?)',
  );
});
