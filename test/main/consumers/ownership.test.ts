import { afterEach, describe, expect, it, vi } from 'vitest';
import { Ownership } from '../../../src/main/consumers/shared/ownership.js';
import {
  OWNER_GIVEN_UP_MS,
  OWNER_PROVEN_MS,
  OWNER_RENEW_MS,
  OWNER_SILENT_MS,
} from '../../../src/protocol/limits/relay.js';
import type { SharedText, VersionedText } from '../../../src/store/consumer-broker.js';

/** A text that all nodes share; a node that is cut off gets no answer, and one that is held up gets it late. */
function sharedText() {
  let kept: VersionedText = { version: 0, text: undefined };
  const cut = new Set<string>();
  const gates = new Map<string, Promise<void>>();
  const holdUp = (node: string): (() => void) => {
    let letGo = (): void => {};
    const gate = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    gates.set(node, gate);
    return () => {
      gates.delete(node);
      letGo();
    };
  };
  const never = new Promise<never>(() => {});
  const of = (node: string): SharedText => ({
    read: async () => {
      await (cut.has(node) ? never : gates.get(node));
      return kept;
    },
    replace: async (version, text) => {
      await (cut.has(node) ? never : gates.get(node));
      if (version !== kept.version) return undefined;
      kept = { version: version + 1, text };
      return kept.version;
    },
  });
  return { of, cut, holdUp };
}

const started: Ownership[] = [];

async function nodeOn(text: SharedText, node: string) {
  const changes: (string | undefined)[] = [];
  const ownership: Ownership = new Ownership(text, node, () => changes.push(ownership.owner));
  started.push(ownership);
  await ownership.begin();
  return { ownership, changes };
}

describe('the ownership of consumers', () => {
  afterEach(async () => {
    vi.useRealTimers();
    for (const one of started.splice(0)) void one.stop();
  });

  it('is the first node’s, and the next one’s as soon as that lets it go', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { of } = sharedText();
    const one = await nodeOn(of('one'), 'one');
    const other = await nodeOn(of('other'), 'other');
    expect([one.ownership.owner, other.ownership.owner]).toEqual(['one', 'one']);
    await one.ownership.stop();
    await vi.advanceTimersByTimeAsync(OWNER_RENEW_MS);
    expect(other.changes).toEqual(['one', 'other']);
  });

  it('stays where it is renewed, and passes on from an owner that is silent', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'hrtime'] });
    const { of, cut } = sharedText();
    const one = await nodeOn(of('one'), 'one');
    const other = await nodeOn(of('other'), 'other');
    await vi.advanceTimersByTimeAsync(OWNER_SILENT_MS * 3);
    expect(other.changes).toEqual(['one']);
    cut.add('one');
    await vi.advanceTimersByTimeAsync(OWNER_SILENT_MS - OWNER_RENEW_MS);
    expect(other.changes).toEqual(['one']);
    await vi.advanceTimersByTimeAsync(OWNER_RENEW_MS * 3);
    expect(other.changes).toEqual(['one', 'other']);
    expect(one.ownership.owner).toBe('one');
  });

  it('passes on when the silence is over, and not first at the next look', async () => {
    vi.useFakeTimers({
      toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout', 'hrtime'],
    });
    const { of, cut, holdUp } = sharedText();
    await nodeOn(of('one'), 'one');
    const other = await nodeOn(of('other'), 'other');
    const letGo = holdUp('other');
    await vi.advanceTimersByTimeAsync(OWNER_RENEW_MS * 1.2);
    // The broker's answer was late, so the looks from now on are not a multiple of their interval after it.
    letGo();
    await vi.advanceTimersByTimeAsync(0);
    cut.add('one');
    await vi.advanceTimersByTimeAsync(OWNER_SILENT_MS - 1);
    expect(other.changes).toEqual(['one']);
    await vi.advanceTimersByTimeAsync(2);
    expect(other.changes).toEqual(['one', 'other']);
  });

  it('stays where the broker was away for all nodes, as while it has no leader', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'hrtime'] });
    const { of, cut, holdUp } = sharedText();
    const one = await nodeOn(of('one'), 'one');
    const other = await nodeOn(of('other'), 'other');
    const letOneGo = holdUp('one');
    const letOtherGo = holdUp('other');
    await vi.advanceTimersByTimeAsync(OWNER_SILENT_MS * 2);
    letOtherGo();
    await vi.advanceTimersByTimeAsync(OWNER_RENEW_MS);
    letOneGo();
    await vi.advanceTimersByTimeAsync(OWNER_SILENT_MS * 2);
    expect([one.changes, other.changes]).toEqual([['one'], ['one']]);
    cut.add('one');
    await vi.advanceTimersByTimeAsync(OWNER_SILENT_MS + OWNER_RENEW_MS);
    expect(other.changes).toEqual(['one', 'other']);
  });

  it('is in doubt for a node whose journal was taken, until it has looked', async () => {
    const { of } = sharedText();
    const one = await nodeOn(of('one'), 'one');
    one.ownership.doubt();
    expect(one.ownership.owner).toBeUndefined();
    await vi.waitUntil(() => one.ownership.owner === 'one');
    expect(one.changes).toEqual(['one', undefined, 'one']);
  });

  it('is lost to a node that has taken it meanwhile', async () => {
    const { of } = sharedText();
    const one = await nodeOn(of('one'), 'one');
    const { version } = await of('x').read();
    await of('x').replace(version, JSON.stringify({ node: 'other', beat: 1 }));
    one.ownership.doubt();
    await vi.waitUntil(() => one.ownership.owner === 'other');
    expect(one.changes).toEqual(['one', undefined, 'other']);
  });

  it('says why it could not be found out, until it could', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { of } = sharedText();
    const text = of('one');
    let fault: Error | undefined = new Error('no right to it');
    const read = (): Promise<VersionedText> => (fault ? Promise.reject(fault) : text.read());
    const { ownership } = await nodeOn({ ...text, read }, 'one');
    expect([ownership.owner, ownership.failure]).toEqual([undefined, fault]);
    fault = undefined;
    await vi.advanceTimersByTimeAsync(OWNER_RENEW_MS);
    expect([ownership.owner, ownership.failure]).toEqual(['one', undefined]);
  });

  it('is left to others by a node that has given up, which tries again where there are none', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'hrtime'] });
    const { of } = sharedText();
    const one = await nodeOn(of('one'), 'one');
    const other = await nodeOn(of('other'), 'other');
    const why = new Error('no right to the journal');
    one.ownership.giveUp(why);
    await vi.advanceTimersByTimeAsync(OWNER_RENEW_MS * 3);
    expect([one.ownership.owner, other.ownership.owner]).toEqual(['other', 'other']);
    await other.ownership.stop();
    await vi.advanceTimersByTimeAsync(OWNER_RENEW_MS);
    expect([one.ownership.owner, one.ownership.failure]).toEqual([undefined, why]);
    await vi.advanceTimersByTimeAsync(OWNER_GIVEN_UP_MS);
    expect(one.ownership.owner).toBe('one');
    expect(one.ownership.failure).toBeUndefined();
  });

  it('is left for twice as long by a node that fails again, until it has had it for a while', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'hrtime'] });
    const { of } = sharedText();
    const { ownership } = await nodeOn(of('one'), 'one');
    /** How often it looks until it is the owner again. */
    const giveUp = async (): Promise<number> => {
      ownership.giveUp(new Error('no right to the journal'));
      let looks = 0;
      do {
        await vi.advanceTimersByTimeAsync(OWNER_RENEW_MS);
        looks++;
      } while (ownership.owner !== 'one');
      return looks * OWNER_RENEW_MS;
    };
    const waits = [await giveUp(), await giveUp(), await giveUp()];
    expect(waits).toEqual([1, 2, 4].map((times) => times * OWNER_GIVEN_UP_MS));
    await vi.advanceTimersByTimeAsync(OWNER_PROVEN_MS);
    expect(await giveUp()).toBe(OWNER_GIVEN_UP_MS);
  });
});
