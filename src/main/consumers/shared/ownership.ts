/**
 * Which of the nodes that share a history serves its durable consumers (docs/adr/0086). The owner renews its claim, a text in
 * the broker that is replaced by compare-and-set. Who has seen the same claim for too long, by its own clock, puts its own in
 * its place. That says only when to take over: what keeps two owners apart are the journals, which the next owner takes.
 */
import {
  OWNER_GIVEN_UP_MS,
  OWNER_GIVEN_UP_MS_MAX,
  OWNER_PROVEN_MS,
  OWNER_RENEW_MS,
  OWNER_SILENT_MS,
} from '../../../protocol/limits/relay.js';
import type { SharedText, VersionedText } from '../../../store/consumer-broker.js';
import { elapsedMs } from '../../../threads/elapsed.js';

interface Claim {
  /** Null: its owner has let it go. */
  readonly node: string | null;
  /** Makes each text another one. */
  readonly beat: number;
}

export class Ownership {
  readonly #text: SharedText;
  readonly #node: string;
  readonly #onChange: () => void;
  /** The claim as it was read last, and since when it is the same. */
  #seen: VersionedText = { version: 0, text: undefined };
  #seenAt = elapsedMs();
  #owner: string | undefined;
  #beat = 0;
  #isDoubted = false;
  /** Why the last look found out nothing. */
  #failure: unknown;
  /** Why this node cannot serve consumers, and since when. */
  #givenUp: { readonly why: unknown; readonly at: number; readonly forMs: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Ends when the claim that was seen last has been the same for too long: not first at the look after that. */
  #silence: NodeJS.Timeout | undefined;
  #look: Promise<void> | undefined;
  #isStopped = false;

  /**
   * @param node the name of this node
   * @param onChange called when `owner` is another one
   */
  constructor(text: SharedText, node: string, onChange: () => void) {
    this.#text = text;
    this.#node = node;
    this.#onChange = onChange;
  }

  /** The node that serves the consumers, as far as this one knows; undefined: none. */
  get owner(): string | undefined {
    return this.#isDoubted ? undefined : this.#owner;
  }

  /** Why there is no owner, as far as this node knows. */
  get failure(): unknown {
    return this.#failure ?? (this.#mayOwn ? undefined : this.#givenUp?.why);
  }

  get #mayOwn(): boolean {
    if (this.#givenUp === undefined) return true;
    const { at, forMs } = this.#givenUp;
    return elapsedMs() - at >= forMs;
  }

  /** Looks who has the claim, and takes it if nobody has. Goes on looking from then on. */
  async begin(): Promise<void> {
    await this.#lookOnce();
    this.#timer = setInterval(() => void this.#lookOnce(), OWNER_RENEW_MS);
    this.#timer.unref();
  }

  /** Another node has taken a journal: whether this node still owns them is known after the next look. */
  doubt(): void {
    if (this.#owner !== this.#node) return;
    this.#isDoubted = true;
    this.#onChange();
    void this.#lookOnce();
  }

  /** This node could not serve consumers: another one is to do it, and if there is none, this one tries again later. */
  giveUp(why: unknown): void {
    const at = elapsedMs();
    const before = this.#givenUp;
    // What fails again soon may fail for long: each try takes the consumers from who has them in hand.
    const isAgain = before !== undefined && at - before.at < before.forMs + OWNER_PROVEN_MS;
    const forMs = isAgain ? Math.min(2 * before.forMs, OWNER_GIVEN_UP_MS_MAX) : OWNER_GIVEN_UP_MS;
    this.#givenUp = { why, at, forMs };
    void this.#lookOnce();
  }

  /** Lets the claim go, if this node has it. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearInterval(this.#timer);
    clearTimeout(this.#silence);
    await this.#look?.catch(() => {});
    if (this.#owner === this.#node) await this.#put(null).catch(() => {});
  }

  #lookOnce(): Promise<void> {
    if (this.#isStopped && this.#look === undefined) return Promise.resolve();
    this.#look ??= this.#step()
      .then(() => {
        this.#failure = undefined;
      })
      .catch((error) => {
        // A broker that is away says nothing of the owner; the next look may find it back.
        this.#failure = error;
      })
      .finally(() => {
        this.#look = undefined;
      });
    return this.#look;
  }

  async #step(): Promise<void> {
    if (this.#owner === this.#node && this.#mayOwn && (await this.#put(this.#node))) {
      this.#decide(this.#node);
      return;
    }
    const askedAt = elapsedMs();
    const found = await this.#text.read();
    // A broker that was away has kept the owner's claim from being renewed as well.
    const wasAway = elapsedMs() - askedAt > OWNER_SILENT_MS / 2;
    if (wasAway || found.version !== this.#seen.version) this.#see(found);
    const claim = claimOf(this.#seen.text);
    const isFree = claim.node === null || claim.node === this.#node;
    const isSilent = elapsedMs() - this.#seenAt >= OWNER_SILENT_MS;
    if (this.#mayOwn && (isFree || isSilent)) {
      const isTaken = await this.#put(this.#node);
      if (isTaken) this.#decide(this.#node);
      return;
    }
    if (!this.#mayOwn && claim.node === this.#node) await this.#put(null);
    this.#decide(claim.node === this.#node ? undefined : (claim.node ?? undefined));
  }

  /** Replaces the claim that was seen last; false if there is another one by now. */
  async #put(node: string | null): Promise<boolean> {
    const claim: Claim = { node, beat: ++this.#beat };
    const text = JSON.stringify(claim);
    const version = await this.#text.replace(this.#seen.version, text);
    if (version === undefined) return false;
    this.#see({ version, text });
    return true;
  }

  #see(found: VersionedText): void {
    this.#seen = found;
    this.#seenAt = elapsedMs();
    clearTimeout(this.#silence);
    if (this.#isStopped) return;
    this.#silence = setTimeout(() => void this.#lookOnce(), OWNER_SILENT_MS);
    this.#silence.unref();
  }

  #decide(owner: string | undefined): void {
    const before = this.owner;
    this.#owner = owner;
    this.#isDoubted = false;
    if (!this.#isStopped && this.owner !== before) this.#onChange();
  }
}

function claimOf(text: string | undefined): Claim {
  if (text === undefined) return { node: null, beat: 0 };
  return JSON.parse(text) as Claim;
}
