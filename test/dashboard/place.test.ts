import { Window } from 'happy-dom';
import { beforeEach, describe, expect, test } from 'vitest';

/** The address is that of a page of happy-dom, since the module needs no more of a browser. */
const window = new Window({ url: 'http://127.0.0.1/' });
Object.assign(globalThis, { location: window.location, history: window.history });
/** Imported by a name that is no literal: the types of a browser are not those of this suite. */
const MODULE = '../../src/dashboard/state/place.js';
const { landOn, place } = (await import(MODULE)) as {
  landOn(screen: string): void;
  place: { readonly value: { readonly screen: string } };
};

describe('the screen on which a sign-in lands', () => {
  beforeEach(() => {
    window.location.hash = '';
  });

  test('is the given one where the address names none', () => {
    landOn('stream');
    expect(window.location.hash).toBe('#/stream');
    expect(place.value.screen).toBe('stream');
  });

  test('is the one that the user has chosen meanwhile, though the browser has not told of it yet', () => {
    window.location.hash = '#/publish';
    landOn('stream');
    expect(window.location.hash).toBe('#/publish');
  });
});
