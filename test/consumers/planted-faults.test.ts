/**
 * Faults that are planted in the machine, in its desk and in its endpoints: the model has to find each, and for the right
 * reason, or it would not find the fault that nobody planted.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConsumerMachine } from '../../src/consumers/machine.js';
import type { Mutation } from '../support/changed-text.js';
import { type Game, game, play } from './model/games.js';
import { mutated } from './model/planted.js';
import { RARE } from './model/rare.js';

interface Fault {
  readonly is: string;
  readonly found: RegExp;
  /** A change of the machine; without one, the name is planted in the model's desk or endpoints. */
  readonly at?: Mutation;
}

/** The machine and the plain arrays are not the same any more. */
const DIFFERS = /and not|disagrees/;

const FAULTS: readonly Fault[] = [
  { is: 'told before the commit', found: /was told and not stored/ },
  { is: 'confirmed before the commit', found: /confirmed and not stored/ },
  {
    is: 'an ack of any lease is good',
    found: /(a settlement|an ack with events) of \d+ is done/,
    at: {
      file: 'machine',
      from: 'open.state[slot] !== LEASED || open.lease[slot] !== lease',
      to: 'open.state[slot] !== LEASED',
    },
  },
  {
    is: 'an ack of a lease that ran out is good',
    found: /(a settlement|an ack with events) of \d+ is done/,
    at: {
      file: 'machine',
      from: 'open.state[slot] !== LEASED || open.lease[slot] !== lease',
      to: 'open.lease[slot] !== lease',
    },
  },
  {
    is: 'a key is free once its event was given back',
    found: /and not|disagrees|TypeError/,
    at: {
      file: 'endings',
      from: "if (kind === 'hand-back') open.attempts[slot]--;",
      to: "if (kind === 'hand-back') open.attempts[slot]--; const f = this.#ledger.chains.remove(slot); if (f >= 0) this.#ledger.makeReady(f);",
    },
  },
  {
    is: 'a key is free once its event was leased',
    found: /and not|disagrees|TypeError/,
    at: {
      file: 'leasing',
      from: 'members.hold(member, slot);',
      to: 'members.hold(member, slot); const f = this.#ledger.chains.remove(slot); if (f >= 0) this.#ledger.makeReady(f);',
    },
  },
  {
    is: 'a held event is ready after a restart',
    found: /and not|disagrees|at once/,
    at: {
      file: 'restore',
      from: 'if (definition.hasKeys) open.set(slot, UNREAD);',
      to: '',
    },
  },
  {
    is: 'attempts are not stored',
    found: DIFFERS,
    at: {
      file: 'lane',
      from: 'writer.addLeased(at, attempts[slot],',
      to: 'writer.addLeased(at, 0,',
    },
  },
  {
    is: 'a claim counts the attempt again',
    found: DIFFERS,
    at: {
      file: 'members',
      from: 'if (this.#open.has(slot, BEGUN)) member.begun++;',
      to: 'this.#open.unset(slot, BEGUN);',
    },
  },
  {
    is: 'a member may begin nothing more after its claims',
    found: DIFFERS,
    at: {
      file: 'machine',
      from: 'this.#ledger.members.promote(member); return kept;',
      to: 'return kept;',
    },
  },
  {
    is: 'a dead event that comes again after a seek is redriven',
    found: /redrive disagrees/,
    at: {
      file: 'machine',
      from: 'if (sequence > position || this.isOpen(sequence))',
      to: 'if (this.isOpen(sequence))',
    },
  },
  {
    is: 'a token is lost where a lease ends untold',
    found: /ready and not leased|tokens of member/,
    at: { file: 'ledger', from: 'if (isUntold) this.members.supply(member, 1);', to: '' },
  },
  { is: 'token given twice', found: /has \d+ tokens of|tokens of member/ },
  {
    is: 'a waiting event is forgotten at a restart',
    found: DIFFERS,
    at: {
      file: 'restore',
      from: 'if (due > ledger.now) ledger.makeWait(slot, due);',
      to: 'if (due > ledger.now) ledger.remove(slot);',
    },
  },
  {
    is: 'a wait is forgotten at a restart',
    found: DIFFERS,
    at: {
      file: 'restore',
      from: 'if (due > ledger.now) ledger.makeWait(slot, due);',
      to: 'if (due < 0) ledger.makeWait(slot, due);',
    },
  },
  {
    is: 'pruning frees no key',
    found: DIFFERS,
    at: {
      file: 'ledger',
      from: 'this.open.sequence[slot]); this.remove(slot);',
      to: 'this.open.sequence[slot]); const n = this.chains.remove(slot); if (n >= 0) this.open.set(n, UNREAD); this.remove(slot);',
    },
  },
  {
    is: 'seek keeps a lease',
    found: DIFFERS,
    at: {
      file: 'interventions',
      from: 'if (open.state[slot] === LEASED) { ledger.noteLost(slot);',
      to: 'if (open.state[slot] === LEASED) { continue; ledger.noteLost(slot);',
    },
  },
  {
    is: 'seek tells nobody',
    found: /not told as lost/,
    at: {
      file: 'interventions',
      from: 'ledger.noteLost(slot); ledger.endLease(slot);',
      to: 'ledger.endLease(slot);',
    },
  },
  {
    is: 'a settlement counts no attempt of its own',
    found: DIFFERS,
    at: { file: 'endings', from: 'if (!open.has(slot, BEGUN)) open.attempts[slot]++;', to: '' },
  },
  {
    is: 'a claimed lease is taken for untold',
    found: /had no token|dead \[\]/,
    at: {
      file: 'machine',
      from: 'open.unset(slot, UNCLAIMED); open.set(slot, TOLD); if (open.has(slot, ALONE))',
      to: 'open.unset(slot, UNCLAIMED); if (open.has(slot, ALONE))',
    },
  },
  { is: 'keys of one shard only', found: /is out in shard/ },
  { is: 'a key is free before the commit', found: /is out in shard/ },
  { is: 'a key that was handed is not looked for', found: /stuck/ },
  { is: 'a successor forgets keys', found: /is out in shard/ },
  { is: 'begun after the deadline', found: /was begun after its lease/ },
  {
    is: 'a refused ack of a dead event is told as done',
    found: /confirmed and not stored/,
    at: {
      file: 'machine',
      from: '(isDead || isUnread ||',
      to: '(isUnread ||',
    },
  },
  {
    is: 'a refused ack of an open event is told as done',
    found: /confirmed and not stored/,
    at: {
      file: 'machine',
      from: 'isUnread || this.isOpen(sequence)',
      to: 'isUnread',
    },
  },
  { is: 'settled forgotten', found: /was stored, and refused/ },
  {
    is: 'alone is ignored',
    found: /has to go out alone|works alone/,
    at: {
      file: 'lane',
      from: 'return open.losses[slot] >= LOSSES_BEFORE_ALONE;',
      to: 'return open.losses[slot] >= 99;',
    },
  },
  {
    is: 'a member that works alone gets more',
    found: /its member works alone/,
    at: {
      file: 'members',
      from: '!member.isAlone && member !== except',
      to: 'member !== except',
    },
  },
  {
    is: 'an event is leased ahead after a loss',
    found: /leased ahead after a loss/,
    at: {
      file: 'leasing',
      from: 'least.hand.length < (alone ? 1 : least.concurrency)',
      to: 'least.hand.length < (alone ? 1 : 99)',
    },
  },
  {
    is: 'losses count together however far apart',
    found: DIFFERS,
    at: { file: 'ledger', from: '<= withinMs;', to: '<= Number.POSITIVE_INFINITY;' },
  },
  {
    is: 'nobody is kept free for careful events',
    found: /kept free/,
    at: {
      file: 'leasing',
      from: 'members.next(isLower ? this.#reserved : undefined)',
      to: 'members.next(undefined)',
    },
  },
  {
    is: 'the position passes an open event',
    found: DIFFERS,
    at: {
      file: 'lane',
      from: 'const at = sequence[slot];',
      to: 'const at = sequence[slot]; if (state[slot] === 2) continue;',
    },
  },
  {
    is: 'a refused batch leaves its events',
    found: DIFFERS,
    at: { file: 'interventions', from: 'if (open.sequence[slot] <= head) break;', to: 'break;' },
  },
  {
    is: 'a refused batch leaves the position',
    found: /was lost|and not/,
    at: { file: 'interventions', from: 'if (lane.position > head) lane.position = head;', to: '' },
  },
  {
    is: 'an ack promotes nobody',
    found: DIFFERS,
    at: { file: 'endings', from: 'if (member !== undefined) members.promote(member);', to: '' },
  },
  {
    is: 'an attempt that was never told counts',
    found: DIFFERS,
    at: { file: 'endings', from: 'if (hadBegun && !wasTold) open.attempts[slot]--;', to: '' },
  },
  {
    is: 'attempts never end',
    found: DIFFERS,
    at: {
      file: 'endings',
      from: 'open.attempts[slot] >= this.definition.maxAttempts',
      to: 'open.attempts[slot] > this.definition.maxAttempts',
    },
  },
  {
    is: 'no lease is told as lost',
    found: /not told as lost|stuck/,
    at: { file: 'endings', from: 'this.#ledger.noteLost(slot);', to: '' },
  },
  {
    is: 'a row that has changed is not stored',
    found: DIFFERS,
    at: {
      file: 'open-events',
      from: 'this.touched[lane] = through; this.dirty[lane] = 1;',
      to: 'this.touched[lane] = through;',
    },
  },
  {
    is: 'an event that is done is left out of its row',
    found: /and not|is open|again/,
    at: {
      file: 'open-events',
      from: 'state === READY || state === HELD || state === LISTED;',
      to: 'state !== LEASED && state !== WAITING;',
    },
  },
  {
    is: 'a lease is left out of its row',
    found: /is left out of its row|and not/,
    at: {
      file: 'open-events',
      from: 'state === READY || state === HELD || state === LISTED;',
      to: 'state !== FREE;',
    },
  },
  {
    is: 'a redriven lease is read behind the others of its key',
    found: /at once/,
    at: {
      file: 'lane',
      from: '[...leased, ...inOrder, ...behind]',
      to: '[...inOrder, ...leased, ...behind]',
    },
  },
  {
    is: 'a lease is still good after its skip',
    found: /is done|and not|disagrees/,
    at: {
      file: 'interventions',
      from: 'ledger.noteLost(slot); ledger.remove(slot);',
      to: 'ledger.noteLost(slot); if (open.state[slot] !== LEASED) ledger.remove(slot);',
    },
  },
  {
    is: 'paused, and leased all the same',
    found: /the consumer is paused/,
    at: { file: 'machine', from: 'return this.#isPaused ? 0 :', to: 'return' },
  },
  {
    is: 'nobody is told that there are events',
    found: /stuck/,
    at: {
      file: 'telling',
      from: 'if (!tellings.supply(member.id, hasEvents)) return false;',
      to: '',
    },
  },
  {
    is: 'an ack with events is stored after its events',
    found: /an ack with events of \d+ is done|and not|disagrees/,
    at: { file: 'machine', from: 'open.set(slot, ENDING);', to: '' },
  },
  {
    is: 'an ack with events counts though the batch was refused',
    found: DIFFERS,
    at: {
      file: 'machine',
      from: "if (isStored) this.#endings.settle(slot, 'ack', -1, '');",
      to: "if (isStored || slot >= 0) this.#endings.settle(slot, 'ack', -1, '');",
    },
  },
  {
    is: 'an ack with events is forgotten once it is stored',
    found: DIFFERS,
    at: {
      file: 'machine',
      from: "if (isStored) this.#endings.settle(slot, 'ack', -1, '');",
      to: "if (isStored && slot < 0) this.#endings.settle(slot, 'ack', -1, '');",
    },
  },
  {
    is: 'a lease runs out while its ack with events is under way',
    found: DIFFERS,
    at: {
      file: 'machine',
      from: 'open.dirty[open.lane[slot]] = 1; deadlines.remove(slot);',
      to: 'open.dirty[open.lane[slot]] = 1;',
    },
  },
  {
    is: 'a lease whose ack with events was refused never runs out',
    found: DIFFERS,
    at: { file: 'machine', from: 'else deadlines.addLease(slot, open.due[slot]);', to: '' },
  },
  {
    is: 'two acks with events of one lease are good',
    found: /an ack with events of \d+ is done/,
    at: {
      file: 'machine',
      from: "if (slot < 0 || open.has(slot, ENDING)) return 'lost';",
      to: "if (slot < 0) return 'lost';",
    },
  },
  {
    is: 'an ack with events of a lost lease is good',
    found: /an ack with events of \d+ is done/,
    at: {
      file: 'machine',
      from: 'const slot = this.#leased(sequence, lease); if (slot < 0 || open.has(slot, ENDING))',
      to: 'const slot = open.find(sequence); if (slot < 0 || open.state[slot] !== LEASED || open.has(slot, ENDING))',
    },
  },
  {
    is: 'what the open batch acknowledges is stored as open',
    found: /is open after its ack|an ack with events|disagrees|and not|RangeError|STORE_CORRUPT/,
    at: {
      file: 'lane',
      from: 'if ((flags[slot] & ENDING) !== 0) continue;',
      to: '',
    },
  },
];

const GAMES_MAX = 150;
const SEED = 20_261_128;

let games: readonly Game[] | undefined;

describe('the model of a consumer finds that', () => {
  it.each(FAULTS)('$is', async ({ is, found, at }) => {
    const Machine = at === undefined ? ConsumerMachine : await mutated([at]);
    const planted = new Set(at === undefined ? [is] : []);
    games ??= [...RARE, ...fc.sample(game, { numRuns: GAMES_MAX, seed: SEED })];
    let fault: string | undefined;
    for (const one of games) {
      fault = faultOf(() => play(one, Machine, planted));
      if (fault !== undefined) break;
    }
    expect(fault).toMatch(found);
  });
});

/** A machine that throws has a fault too. */
function faultOf(run: () => string | undefined): string | undefined {
  try {
    return run();
  } catch (error) {
    return String(error);
  }
}
