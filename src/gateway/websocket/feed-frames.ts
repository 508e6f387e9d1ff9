import type { Gap } from '../../protocol/bus-api.js';
import type { Event } from '../../protocol/event.js';
import { EVENTS_FRAME_BYTES_MAX, EVENTS_PER_FRAME_MAX } from '../../protocol/limits/websocket.js';
import { errorData } from '../error-data.js';
import type { EventText, EventTexts } from '../event-texts.js';
import type { FeedEncoder, FeedPlace } from '../subscription-feed.js';
import { frameText } from './frames.js';
import type { Flushable, Outbound } from './outbound.js';
import type { SharedFrames } from './shared-frames.js';

/**
 * Encodes a subscription's events as frames. Events that are due in one turn share a frame, whose cursor is that after
 * the last of them.
 */
export interface FrameSources {
  /** The events' JSON as this client may see it. */
  readonly texts: EventTexts;
  readonly frames: SharedFrames;
}

export class FeedFrames implements FeedEncoder, Flushable {
  readonly #name: string;
  readonly #outbound: Outbound;
  readonly #place: FeedPlace;
  #texts: EventTexts;
  readonly #frames: SharedFrames;
  readonly #head: string;
  #isFlushDue = false;
  #batch: EventText[] = [];
  #batchBytes = 0;

  /** `name`: the client's name for the subscription. */
  constructor(name: string, outbound: Outbound, { texts, frames }: FrameSources, place: FeedPlace) {
    this.#name = name;
    this.#outbound = outbound;
    this.#place = place;
    this.#texts = texts;
    this.#frames = frames;
    this.#head = `{"type":"events","payload":{"subscription":${JSON.stringify(name)},"events":[`;
  }

  /** Takes other texts for the events that follow: a new token may let the client see other fields. */
  show(texts: EventTexts): void {
    this.flush();
    this.#texts = texts;
  }

  add(event: Event): number {
    const text = this.#texts.of(event);
    const bytes = text.bytes + 1;
    if (this.#batchBytes + bytes > EVENTS_FRAME_BYTES_MAX) this.flush();
    this.#batch.push(text);
    this.#batchBytes += bytes;
    this.#outbound.keep(bytes);
    if (this.#batch.length === EVENTS_PER_FRAME_MAX) this.flush();
    else this.#flushSoon();
    return bytes;
  }

  flush(): void {
    this.#isFlushDue = false;
    const last = this.#batch.at(-1);
    if (last === undefined) return;
    const cursor = this.#place.cursorAfter(last.event);
    const frame = this.#frames.of(this.#head, this.#batch, cursor);
    const bytes = this.#batchBytes;
    this.#batch = [];
    this.#batchBytes = 0;
    this.#outbound.keep(-bytes);
    this.#outbound.sendShared(frame);
  }

  gap({ shard, from, to, reason }: Gap): void {
    const payload = { subscription: this.#name, shard, from, to, reason };
    this.#outbound.send(frameText('gap', payload));
  }

  caughtUp(): void {
    const payload = { subscription: this.#name, cursor: this.#place.cursor };
    this.#outbound.send(frameText('caughtUp', payload));
  }

  dropped(count: number): void {
    this.#outbound.send(frameText('dropped', { subscription: this.#name, count }));
  }

  ended(error: unknown): void {
    const { code, message } = errorData(error);
    const payload = { subscription: this.#name, code, message, cursor: this.#place.cursor };
    this.#outbound.send(frameText('ended', payload));
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#outbound.flushAtEndOfTurn(this);
  }
}
