import { describe, expect, test } from 'vitest';
import { DELIVERY_LEASE, DELIVERY_SUPPLY } from '../../../../src/link/consumer-records.js';
import { DELIVERY_REPLY } from '../../../../src/link/link-records.js';
import { Looks } from '../../../../src/shards/consumers/calls/looks.js';
import type { DeskMember } from '../../../../src/shards/consumers/members/desk-members.js';
import { publish, type Rig, working } from '../rig.js';

/** When a shard answers a member that asks whether there is anything for it. */

/** Runs so many turns; the types of the records that came of leases, supply and the answer, in order. */
function lookIn({ link, turn, one }: Rig, turns = 1): number[] {
  link.call('consumerLook', { member: one.member }, { id: 31 });
  for (let n = 0; n < turns; n++) turn();
  const types: number[] = [];
  link.read((type) => types.push(type));
  return types.filter((type) => [DELIVERY_LEASE, DELIVERY_SUPPLY, DELIVERY_REPLY].includes(type));
}

describe('a member that asks whether there is anything', () => {
  test('is answered behind the leases that its tokens got in that turn, and what more there is', () => {
    const rig = working({}, 0);
    for (let n = 1; n <= 3; n++) publish(rig.link, n);
    rig.turn();
    rig.one.said();
    rig.one.tokens(1);
    const types = lookIn(rig);
    expect(types.at(-1)).toBe(DELIVERY_REPLY);
    expect(types).toContain(DELIVERY_LEASE);
  });

  test('is answered where there is nothing', () => {
    expect(lookIn(working({}, 1))).toEqual([DELIVERY_REPLY]);
  });

  test('is answered where the shard does not know it, and where the shard has no consumer', () => {
    const rig = working({}, 1);
    rig.link.call('consumerLook', { member: 77 }, { id: 5 });
    rig.turn();
    expect(rig.link.replies()).toEqual([{ id: 5, isAnswer: true, body: null }]);
    rig.shard.applyConsumers([]);
    for (let n = 0; n < 3; n++) rig.turn();
    rig.link.replies();
    rig.link.call('consumerLook', { member: 1 }, { id: 6 });
    rig.turn();
    expect(rig.link.replies()).toEqual([{ id: 6, isAnswer: true, body: null }]);
  });
});

describe('looks', () => {
  interface Consumer {
    ready: number;
    position: number;
    owes: boolean;
  }

  function open(consumer: Consumer, head = 10) {
    const looks = new Looks();
    const end = {};
    const lane = () => ({ position: consumer.position });
    const machine = {
      get counts() {
        return { ready: consumer.ready };
      },
      nextUnread: () => 0,
      lane,
    };
    const link = {
      end,
      get owes() {
        return consumer.owes;
      },
    };
    const of = { machine, lanes: 1, isStuck: false, wantsMore: () => true };
    let answers = 0;
    looks.add({ consumer: of, link } as unknown as DeskMember, head, () => answers++);
    const turn = (isCut = false, isThere = true): number => {
      looks.decided(isCut);
      looks.answer(() => isThere);
      return answers;
    };
    return { looks, end, turn, answer: () => looks.answer(() => true), answers: () => answers };
  }

  test('wait for a decision, for what is not told, and for what is not read', () => {
    const consumer = { ready: 1, position: 10, owes: true };
    const { turn, answer, answers } = open(consumer);
    expect(turn()).toBe(0);
    Object.assign(consumer, { ready: 0, position: 9, owes: false });
    expect(turn()).toBe(0);
    consumer.position = 10;
    answer();
    expect(answers()).toBe(1);
    expect(turn()).toBe(1);
    const undecided = open({ ready: 1, position: 0, owes: false });
    undecided.answer();
    expect(undecided.answers()).toBe(0);
    expect(undecided.turn()).toBe(1);
  });

  test('are decided again where a turn has used up what it may do', () => {
    const { looks, turn } = open({ ready: 1, position: 10, owes: false });
    expect(looks.hasWork).toBe(false);
    expect(turn(true)).toBe(0);
    expect(looks.hasWork).toBe(true);
    expect(turn()).toBe(1);
    expect(looks.hasWork).toBe(false);
    turn(true);
    expect(looks.hasWork).toBe(false);
  });

  test('end with their consumer, and are forgotten with their endpoint', () => {
    const gone = open({ ready: 0, position: 0, owes: true });
    expect(gone.turn(false, false)).toBe(1);
    const left = open({ ready: 1, position: 10, owes: false });
    left.looks.leave({} as never);
    left.looks.leave(left.end as never);
    expect(left.turn()).toBe(0);
  });
});
