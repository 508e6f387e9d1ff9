import type { ServerResponse } from 'node:http';
import type { Principal } from '../../auth/principal.js';
import type { Asker } from '../../endpoint/asker.js';
import type { BusEndpoint } from '../../endpoint/bus-endpoint.js';
import type { Gap } from '../../protocol/bus-api.js';
import type { Event } from '../../protocol/event.js';
import { CLOSE_HANDSHAKE_MS } from '../../protocol/limits/websocket.js';
import type { OutboundAccount } from '../congestion.js';
import type { CursorTexts } from '../cursor-texts.js';
import { errorData } from '../error-data.js';
import type { GatewayLogger } from '../gateway-log.js';
import {
  type FeedEncoder,
  type FeedPlace,
  type FeedRequest,
  SubscriptionFeed,
} from '../subscription-feed.js';
import { HttpOutbound, type HttpOutboundSource } from './http-outbound.js';
import type { StreamFormat } from './stream-formats.js';

/**
 * One subscription as a streamed answer, as Server-Sent Events or as lines of JSON. A regular `heartbeat` keeps proxies
 * from cutting the connection, shows a page that its stream is alive, and carries the cursor: so a client that was sent
 * no event for an hour resumes at the end of that hour.
 */
export interface EventStreamSource extends HttpOutboundSource {
  readonly log: GatewayLogger;
  readonly cursors: CursorTexts;
}

/** The request that a stream answers. */
export interface StreamAsked {
  readonly response: ServerResponse;
  readonly principal: Principal;
  readonly budget: OutboundAccount;
}

/** Returns an event as it is sent: one line of JSON. */
export type TextOf = (event: Event) => string;

export class EventStream {
  readonly principal: Principal;
  /** Resolves when the answer has ended and the subscription is released. */
  readonly ended: Promise<void>;
  readonly #response: ServerResponse;
  readonly #encoder: StreamEncoder;
  readonly #outbound: HttpOutbound;
  readonly #feed: SubscriptionFeed;

  constructor(
    { response, principal, budget }: StreamAsked,
    format: StreamFormat,
    textOf: TextOf,
    source: EventStreamSource,
  ) {
    const { log, cursors } = source;
    this.principal = principal;
    this.#response = response;
    const outbound = new HttpOutbound(response, budget, source, () => {
      log('warn', 'stream cut: slow consumer', {
        code: 'SLOW_CONSUMER',
        principal: principal.name,
      });
    });
    this.#outbound = outbound;
    let encoder!: StreamEncoder;
    this.#feed = new SubscriptionFeed(outbound, cursors, (place) => {
      encoder = new StreamEncoder(response, outbound, format, textOf, place);
      return encoder;
    });
    this.#encoder = encoder;
    this.ended = new Promise((resolve) => {
      response.once('close', () => {
        this.#feed
          .close()
          .catch(() => {})
          .finally(resolve);
      });
    });
  }

  /**
   * Subscribes; the answer begins when every shard that the filter needs has the subscription, or with the first event.
   *
   * @throws BusError as `subscribe` does
   */
  async open(endpoint: BusEndpoint, request: FeedRequest, asker: Asker): Promise<void> {
    const opened = this.#feed.open(endpoint, request, asker);
    // Events may be written at once: the client needs no confirmation before them, since the answer itself is one.
    this.#feed.announce();
    await opened;
    this.#encoder.begin();
  }

  beat(): void {
    if (this.#response.headersSent && !this.#outbound.isCongested) this.#encoder.heartbeat();
  }

  /** Writes the error and ends the answer. Does nothing before the answer has begun. */
  end(error: unknown): void {
    if (this.#response.headersSent) this.#feed.expel(error).catch(() => {});
  }

  /** Ends the answer with the error, and cuts a client that does not take it in time. */
  disconnect(error: unknown): void {
    if (!this.#response.headersSent) {
      this.cut();
      return;
    }
    this.end(error);
    const timer = setTimeout(() => this.cut(), CLOSE_HANDSHAKE_MS).unref();
    void this.ended.then(() => clearTimeout(timer));
  }

  cut(): void {
    this.#response.destroy();
  }
}

class StreamEncoder implements FeedEncoder {
  readonly #response: ServerResponse;
  readonly #outbound: HttpOutbound;
  readonly #format: StreamFormat;
  readonly #textOf: TextOf;
  readonly #place: FeedPlace;

  constructor(
    response: ServerResponse,
    outbound: HttpOutbound,
    format: StreamFormat,
    textOf: TextOf,
    place: FeedPlace,
  ) {
    this.#response = response;
    this.#outbound = outbound;
    this.#format = format;
    this.#textOf = textOf;
    this.#place = place;
  }

  begin(): void {
    if (this.#response.headersSent || this.#response.destroyed) return;
    this.#format.begin(this.#response);
    this.#outbound.write(this.#format.opening(this.#place.cursor));
  }

  add(event: Event): number {
    this.begin();
    const text = this.#format.event(this.#place.cursorAfter(event), this.#textOf(event));
    const bytes = Buffer.byteLength(text);
    this.#outbound.write(text, bytes);
    return bytes;
  }

  /** Does nothing: `add` writes at once, and the outbound collects the writes of a turn. */
  flush(): void {}

  gap(gap: Gap): void {
    this.#write('gap', gap);
  }

  caughtUp(): void {
    this.#write('caughtUp', { cursor: this.#place.cursor });
  }

  dropped(count: number): void {
    this.#write('dropped', { count });
  }

  heartbeat(): void {
    this.#write('heartbeat', { time: new Date().toISOString() });
  }

  ended(error: unknown): void {
    if (!this.#response.headersSent) return;
    const { code, message } = errorData(error);
    this.#write('ended', { code, message, cursor: this.#place.cursor });
    this.#outbound.end();
  }

  #write(name: string, data: object): void {
    this.begin();
    const { cursor } = this.#place;
    this.#outbound.write(this.#format.notice(name, cursor, JSON.stringify(data)));
  }
}
