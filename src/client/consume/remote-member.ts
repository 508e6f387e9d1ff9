import { Hand } from '../../handout/consume/hand.js';
import type { SettleKind } from '../../handout/consume/held-delivery.js';
import type { JoinOptions, TakenMember, Taker } from '../../handout/consume/taker.js';
import type { Dispatcher } from '../../handout/dispatcher.js';
import type { Waiters } from '../../handout/waiters.js';
import type { WireConsumer, WireDelivery } from '../../protocol/consumer-frames.js';
import type { AckAndPublishOptions } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import type { EventInput, PublishAck } from '../../protocol/event.js';
import { CLIENT_SUBSCRIBE_RETRY_MS } from '../../protocol/limits/client.js';
import { PREFETCH_MAX } from '../../protocol/limits/consumers.js';
import { retryAfterMs, spreadMs } from '../backoff.js';
import type { Requests } from '../requests.js';
import { invalid, isTransient, knownCode } from '../server-frame.js';
import {
  ackAndPublishText,
  groupError,
  RemoteDelivery,
  type RemoteOwner,
} from './remote-delivery.js';
import type { RemoteSaid, Settler } from './settler.js';

/**
 * A member of a consumer, in a client: it joins over each connection anew, holds the events that the server leases to
 * it, and says what becomes of them. The server leases no more than the member has places for. Its leases end with
 * their connection.
 */

export interface MemberHost {
  /** As of `GroupSender`. */
  groupText(inputs: readonly EventInput[], options: AckAndPublishOptions): string;
  readonly requests: Requests;
  readonly settler: Settler;
  readonly turns: Dispatcher;
  /** Woken when something is decided, or has left a hand. */
  readonly waiters: Waiters;
  isConnected(): boolean;
  /** Ends the connection; another one follows. */
  cut(error: BusError): void;
  forget(member: RemoteMember): void;
}

/** `away`: the server does not have the member, as far as this side knows. */
type Stage = 'away' | 'joining' | 'joined' | 'leaving';

export class RemoteMember implements TakenMember<RemoteDelivery>, RemoteOwner {
  readonly number: number;
  readonly consumer: WireConsumer;
  readonly hand: Hand<RemoteDelivery>;
  /** The client's name for it, in frames. */
  readonly id: string;
  readonly #options: JoinOptions;
  readonly #host: MemberHost;
  readonly #taker: Taker<RemoteDelivery>;
  #stage: Stage = 'away';
  /** Counts connections, so that an answer that belongs to an earlier one is recognised. */
  #joining = 0;
  #isStopping = false;
  #isOver = false;
  /** How much of what it said is not decided. */
  #undecided = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    number: number,
    consumer: WireConsumer,
    options: JoinOptions,
    host: MemberHost,
    taker: Taker<RemoteDelivery>,
  ) {
    this.number = number;
    this.consumer = consumer;
    this.id = `member-${number}`;
    this.hand = new Hand(options.concurrency);
    this.#options = options;
    this.#host = host;
    this.#taker = taker;
    this.join();
  }

  // For its taker.

  begin(): RemoteDelivery | undefined {
    if (this.#host.settler.isFull) return undefined;
    for (let next = this.hand.next(); next !== undefined; next = this.hand.next()) {
      if (next.deadline > performance.now()) {
        this.hand.begin(next);
        return next;
      }
      // Another member may have it already.
      next.lose();
      this.#remove(next);
    }
    return undefined;
  }

  release(delivery: RemoteDelivery): void {
    this.#remove(delivery);
  }

  handBack(delivery: RemoteDelivery): void {
    delivery.settle('handBack');
    // An ack that is on its way with events keeps it in hand until that is decided.
    if (delivery.state !== 'over' && !delivery.isPublishing) this.#remove(delivery);
  }

  stop(): void {
    for (const delivery of this.hand.latest()) this.handBack(delivery);
    this.drain();
  }

  drain(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    clearTimeout(this.#retryTimer);
    if (this.#stage === 'joined') this.#leave();
    this.#host.waiters.wake();
  }

  async left(): Promise<void> {
    await this.#host.waiters.when(
      () => this.#isOver || (this.hand.isEmpty && this.#undecided === 0 && this.#stage === 'away'),
    );
    this.#end();
  }

  // For its deliveries.

  say(
    delivery: RemoteDelivery,
    kind: SettleKind,
    delayMs: number | undefined,
    reason: string,
  ): RemoteSaid {
    this.#undecided++;
    const said: RemoteSaid = {
      delivery,
      kind,
      delayMs,
      reason,
      isDetached: false,
      outcome: undefined,
      onDecided: undefined,
      onOver: () => {
        this.#undecided--;
        this.#host.waiters.wake();
      },
    };
    this.#host.settler.add(said);
    if (kind !== 'working' && delivery.state === 'begun') this.#taker.onOver(delivery);
    return said;
  }

  ackAndPublish(
    delivery: RemoteDelivery,
    inputs: readonly EventInput[],
    options: AckAndPublishOptions,
  ): Promise<PublishAck[]> {
    return new Promise((resolve, reject) => {
      const { requests, waiters, groupText } = this.#host;
      const payload = ackAndPublishText(delivery.lease, groupText(inputs, options));
      let isSent = false;
      this.#undecided++;
      const over = (): void => {
        this.#undecided--;
        waiters.wake();
      };
      requests.askOnce(
        'ackAndPublish',
        payload,
        ({ acks }) => {
          over();
          resolve([...acks]);
        },
        (error) => {
          over();
          // Without a connection there is no lease either, and nothing of this can be stored.
          const isLost = !isSent && error.code === 'CONNECTION_FAILED';
          reject(isLost ? delivery.lostError('has ended') : groupError(error));
        },
        undefined,
        options.signal,
      );
      isSent = true;
    });
  }

  onPublished(delivery: RemoteDelivery): void {
    const { isSettled, isLost, state } = delivery;
    if ((isSettled || isLost) && state === 'begun') this.#taker.onOver(delivery);
    this.#host.waiters.wake();
  }

  onExpired(delivery: RemoteDelivery): void {
    this.#lose(delivery);
  }

  // For the client.

  /** Joins, if there is a connection and the server does not have it yet. */
  join(): void {
    const { requests, isConnected } = this.#host;
    if (this.#isStopping || this.#isOver || this.#stage !== 'away' || !isConnected()) return;
    this.#stage = 'joining';
    const joining = ++this.#joining;
    const { concurrency, prefetch, name } = this.#options;
    const request = { consumer: this.consumer.name, member: this.id, concurrency, prefetch, name };
    requests.askOnce(
      'join',
      JSON.stringify(request),
      () => {
        if (joining === this.#joining) this.#onJoined();
      },
      (error) => {
        if (joining === this.#joining) this.#onRefused(error);
      },
    );
  }

  /** The connection is gone, and with it the leases. */
  lost(): void {
    this.#joining++;
    this.#stage = 'away';
    clearTimeout(this.#retryTimer);
    for (const delivery of this.hand.all()) this.#lose(delivery);
    this.#host.waiters.wake();
  }

  /** @throws BusError `MESSAGE_INVALID` if the server sends far more than the member has places for */
  onDeliveries(deliveries: readonly WireDelivery[]): void {
    this.#checkRoom(deliveries.length);
    for (const wire of deliveries) {
      const delivery = new RemoteDelivery(this, wire);
      this.hand.add(delivery);
      if (this.#isStopping) this.handBack(delivery);
    }
    this.#host.turns.add(this.#taker);
    this.#host.turns.dispatch();
  }

  onLeaseLost(leases: readonly string[]): void {
    for (const lease of leases) {
      const delivery = this.hand.find((held) => held.lease === lease);
      if (delivery !== undefined) this.#lose(delivery);
    }
    this.#host.waiters.wake();
  }

  /** The server has ended the member. */
  onEnded({ code, message }: { readonly code: string; readonly message: string }): void {
    this.#stage = 'away';
    const error = new BusError(knownCode(code), message);
    // The server is stopping. The next connection joins again.
    if (error.code === 'BUS_CLOSED') this.#host.cut(error);
    else this.fail(error);
  }

  /** It can go on no longer. */
  fail(error: BusError): void {
    if (this.#isOver) return;
    this.#isStopping = true;
    this.#stage = 'away';
    for (const delivery of this.hand.all()) this.#lose(delivery);
    this.#taker.onEnded(error);
    this.#end();
  }

  /** Settlements are decided: there may be room to begin more. */
  resume(): void {
    if (this.hand.waiting > 0) this.#host.turns.add(this.#taker);
  }

  #onJoined(): void {
    this.#stage = 'joined';
    if (this.#isStopping) this.#leave();
  }

  #onRefused(error: BusError): void {
    this.#stage = 'away';
    this.#host.waiters.wake();
    if (error.code === 'CONNECTION_FAILED' || this.#isStopping) return;
    if (error.code === 'BUS_CLOSED') this.#host.cut(error);
    else if (isTransient(error.code)) {
      const ms = spreadMs(retryAfterMs(error) || CLIENT_SUBSCRIBE_RETRY_MS, Math.random());
      this.#retryTimer = setTimeout(() => this.join(), ms);
    } else this.fail(error);
  }

  /** What is in hand goes on. An answer that does not come counts as one: the connection is gone then. */
  #leave(): void {
    this.#stage = 'leaving';
    const joining = this.#joining;
    const onLeft = (): void => {
      if (joining !== this.#joining) return;
      this.#stage = 'away';
      this.#host.waiters.wake();
    };
    // First, so that the server has the hand-backs before it may lease those events to others of this client.
    this.#host.settler.flush();
    const payload = JSON.stringify({ member: this.id });
    this.#host.requests.askOnce('leave', payload, onLeft, onLeft);
  }

  #remove(delivery: RemoteDelivery): void {
    this.hand.remove(delivery);
    this.#host.waiters.wake();
  }

  #lose(delivery: RemoteDelivery): void {
    if (delivery.isLost) return;
    delivery.lose();
    // The answer says whether it was lost.
    if (delivery.isPublishing) return;
    if (delivery.state === 'waiting') this.#remove(delivery);
    else if (delivery.state === 'begun') this.#taker.onOver(delivery);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isStopping = true;
    clearTimeout(this.#retryTimer);
    this.#host.forget(this);
    this.#host.waiters.wake();
  }

  #checkRoom(count: number): void {
    const most = 2 * this.#options.concurrency + PREFETCH_MAX;
    const held = this.hand.waiting + count;
    if (held <= most) return;
    throw invalid(`${held} events were leased to a member with ${most} places`);
  }
}
