import { describe, expect, it } from 'vitest';
import { nameHint } from '../../src/protocol/name-hint.js';

const NAMED = ['dir', 'shards', 'getToken', 'port', 'persist'];
const MANY = [...NAMED, 'gateways', 'maxFrames', 'heartbeat', 'retention', 'audit', 'basePath'];

describe('the hint at a misspelt name', () => {
  it.each([
    ['shrads', 'shards'],
    ['shard', 'shards'],
    ['dri', 'dir'],
    ['Port', 'port'],
    ['persists', 'persist'],
    ['token', 'getToken'],
  ])('of %s names %s', (name, meant) => {
    expect(nameHint(name, MANY)).toBe(` (did you mean ${meant}?)`);
  });

  it('names all that there are, where they are few', () => {
    expect(nameHint('data', ['topic', 'type', 'payload'])).toBe(
      ' (there are topic, type, payload)',
    );
  });

  it.each(['cors', '', 'x'.repeat(10_000)])('is empty if none of many names is near', (name) => {
    expect(nameHint(name, MANY)).toBe('');
  });
});
