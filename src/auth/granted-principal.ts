import type { Event } from '../protocol/event.js';
import { PatternSet } from '../protocol/pattern-set.js';
import type { Grants } from './grants.js';
import type { Access, Principal, PrincipalRates } from './principal.js';
import { Redaction } from './redaction.js';

/** A principal that may do what its grants allow, and nothing else. One thread. */

export interface Identity {
  readonly id: string;
  readonly name: string;
  readonly isAnonymous?: boolean;
  /** Milliseconds since 1970. */
  readonly expiresAt?: number;
}

export class GrantedPrincipal implements Principal {
  readonly id: string;
  readonly name: string;
  readonly isAnonymous: boolean;
  declare readonly expiresAt?: number;
  declare readonly forcedSource?: string;
  readonly rates: PrincipalRates;
  readonly redacts: boolean;
  readonly readable: readonly string[];
  readonly access: Access;
  readonly #publish: PatternSet;
  readonly #subscribe: PatternSet;
  readonly #consume: PatternSet;
  readonly #admin: PatternSet;
  readonly #redaction: Redaction;
  #isRevoked = false;

  constructor({ id, name, isAnonymous, expiresAt }: Identity, grants: Grants) {
    this.id = id;
    this.name = name;
    this.isAnonymous = isAnonymous ?? false;
    if (expiresAt !== undefined) this.expiresAt = expiresAt;
    if (grants.source !== undefined) this.forcedSource = grants.source;
    this.rates = Object.freeze({ ...grants.rates });
    const readable = (grants.subscribe ?? []).map((grant) =>
      typeof grant === 'string' ? { pattern: grant } : grant,
    );
    this.readable = readable.map(({ pattern }) => pattern);
    const { publish = [], consume = [], admin = [] } = grants;
    this.access = { publish, subscribe: this.readable, consume, admin };
    this.#publish = new PatternSet(publish);
    this.#subscribe = new PatternSet(this.readable);
    this.#consume = new PatternSet(consume);
    this.#admin = new PatternSet(admin);
    this.#redaction = new Redaction(readable, grants.redact);
    this.redacts = this.#redaction.masksAnything;
  }

  get isRevoked(): boolean {
    return this.#isRevoked;
  }

  revoke(): void {
    this.#isRevoked = true;
  }

  mayPublish(topic: string): boolean {
    return this.#publish.covers(topic);
  }

  maySubscribe(topic: string): boolean {
    return this.#subscribe.covers(topic);
  }

  beyondSubscribe(patterns: readonly string[]): string | undefined {
    return patterns.find((pattern) => !this.#subscribe.covers(pattern));
  }

  mayConsume(name: string): boolean {
    return this.#consume.covers(name) || this.#admin.covers('*');
  }

  mayAdminister(pattern: string): boolean {
    return this.#admin.covers(pattern);
  }

  redact(event: Event): Event {
    return this.redacts ? this.#redaction.apply(event) : event;
  }
}
