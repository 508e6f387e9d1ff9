import { BEGUN, type OpenEvents } from './open-events.js';
import { SlotList } from './slot-list.js';

/**
 * The members that lease events of one consumer in one shard. A member has tokens, each of which is the permission to
 * lease one event to it, and a hand: the events that are leased to it, in the order of their leases. It hands out the
 * events of its hand in that order, at most `concurrency` at once. So those it can have begun are the first
 * `concurrency` of its hand, and only their attempts are counted. Single-threaded.
 */
export class Member {
  readonly id: number;
  readonly isDetached: boolean;
  concurrency: number;
  tokens = 0;
  readonly hand: SlotList;
  /** How many of its hand have begun, and the first one that has not, or -1. */
  begun = 0;
  nextToBegin = -1;
  /** It has an event in hand that goes out alone. */
  isAlone = false;
  /** It was told that the shard has events for it, and no token. */
  isToldReady = false;
  /** Its place among the members with tokens, or -1. */
  place = -1;

  constructor(id: number, concurrency: number, isDetached: boolean, hand: SlotList) {
    this.id = id;
    this.concurrency = concurrency;
    this.isDetached = isDetached;
    this.hand = hand;
  }
}

export class Members {
  readonly #open: OpenEvents;
  readonly #members = new Map<number, Member>();
  /** The member of each leased slot, if it has one. */
  readonly #holders: (Member | undefined)[] = [];
  /** Those with tokens, and whose turn it is among them. */
  readonly #supplied: Member[] = [];
  #turn = 0;
  /** Of all members. */
  tokens = 0;
  /** Those without a token that were not told that there are events, and those that were. */
  readonly #hungry = new Set<Member>();
  readonly #toldReady = new Set<Member>();

  constructor(open: OpenEvents) {
    this.#open = open;
  }

  get all(): Iterable<Member> {
    return this.#members.values();
  }

  get(id: number): Member | undefined {
    return this.#members.get(id);
  }

  holderOf(slot: number): Member | undefined {
    return this.#holders[slot];
  }

  add(id: number, concurrency: number, isDetached: boolean): Member {
    const member = new Member(id, concurrency, isDetached, new SlotList(this.#open.hand));
    this.#members.set(id, member);
    this.#hungry.add(member);
    return member;
  }

  /** Its hand has to be empty. */
  delete(member: Member): void {
    this.supply(member, -member.tokens);
    this.#hungry.delete(member);
    this.#toldReady.delete(member);
    this.#members.delete(member.id);
  }

  /** Changes the number of its tokens. */
  supply(member: Member, change: number): void {
    this.tokens += change;
    member.tokens += change;
    if (member.tokens > 0 && member.place < 0) {
      member.place = this.#supplied.push(member) - 1;
      this.#hungry.delete(member);
    } else if (member.tokens === 0 && member.place >= 0) {
      const last = this.#supplied.pop()!;
      if (last !== member) {
        this.#supplied[member.place] = last;
        last.place = member.place;
      }
      member.place = -1;
      if (!member.isToldReady) this.#hungry.add(member);
    }
  }

  /** A member with a token whose turn it is, but neither one that works alone nor `except`. */
  next(except: Member | undefined): Member | undefined {
    const supplied = this.#supplied;
    for (let tried = 0; tried < supplied.length; tried++) {
      if (++this.#turn >= supplied.length) this.#turn = 0;
      const member = supplied[this.#turn]!;
      if (!member.isAlone && member !== except) return member;
    }
    return undefined;
  }

  /** The member with a token and the least in hand that does not work alone. A detached one counts as empty-handed. */
  leastBusy(): Member | undefined {
    let least: Member | undefined;
    for (const member of this.#supplied) {
      if (member.isAlone) continue;
      if (member.isDetached || member.hand.length === 0) return member;
      if (least === undefined || member.hand.length < least.hand.length) least = member;
    }
    return least;
  }

  /** Puts an event behind those in hand; its lease is the latest. */
  hold(member: Member, slot: number): void {
    this.#holders[slot] = member;
    member.hand.append(slot);
    if (member.nextToBegin < 0) member.nextToBegin = slot;
  }

  /** Puts a leased event back into the hand that held it before this thread began. */
  reclaim(member: Member, slot: number): void {
    this.#holders[slot] = member;
    const { hand } = member;
    const { lease } = this.#open;
    let before = hand.last;
    while (before >= 0 && lease[before]! > lease[slot]!) before = hand.before(before);
    hand.insertBehind(slot, before);
    if (this.#open.has(slot, BEGUN)) member.begun++;
    member.nextToBegin = this.#firstUnbegun(member);
  }

  /** Takes an event out of its member's hand, if it is in one. Others may begin then: see `promote`. */
  release(slot: number): Member | undefined {
    const member = this.#holders[slot];
    if (member === undefined) return undefined;
    this.#holders[slot] = undefined;
    if (this.#open.has(slot, BEGUN)) member.begun--;
    else if (slot === member.nextToBegin) member.nextToBegin = member.hand.after(slot);
    member.hand.remove(slot);
    return member;
  }

  /** Counts the attempts of the events that the member may begin now. A detached one begins whatever it is leased. */
  promote(member: Member): void {
    while (member.nextToBegin >= 0 && (member.isDetached || member.begun < member.concurrency)) {
      const slot = member.nextToBegin;
      this.#open.set(slot, BEGUN);
      this.#open.attempts[slot]!++;
      this.#open.dirty[this.#open.lane[slot]!] = 1;
      member.begun++;
      member.nextToBegin = member.hand.after(slot);
    }
  }

  /** Whom to tell that the shard has events for them and no token, or that it has none any more. */
  toTell(hasEvents: boolean): Iterable<Member> {
    return hasEvents ? this.#hungry : this.#toldReady;
  }

  noteTold(member: Member, isReady: boolean): void {
    member.isToldReady = isReady;
    this.#hungry.delete(member);
    this.#toldReady.delete(member);
    if (isReady) this.#toldReady.add(member);
    else if (member.tokens === 0) this.#hungry.add(member);
  }

  #firstUnbegun(member: Member): number {
    let slot = member.hand.first;
    while (slot >= 0 && this.#open.has(slot, BEGUN)) slot = member.hand.after(slot);
    return slot;
  }
}
