import type { ClientDelivery } from '../../endpoint/internals.js';
import { EVENTS_FRAME_BYTES_MAX, EVENTS_PER_FRAME_MAX } from '../../protocol/limits/websocket.js';
import type { EventTexts } from '../event-texts.js';
import type { Flushable, Outbound } from './outbound.js';

/** Encodes a member's deliveries as frames. Deliveries that are due in one turn share a frame. */
export class DeliveryFrames implements Flushable {
  readonly #outbound: Outbound;
  readonly #head: string;
  #texts: EventTexts;
  #isFlushDue = false;
  #batch: string[] = [];
  #batchBytes = 0;

  /** `member`: the client's name for it. */
  constructor(member: string, outbound: Outbound, texts: EventTexts) {
    this.#outbound = outbound;
    this.#texts = texts;
    this.#head = `{"type":"deliveries","payload":{"member":${JSON.stringify(member)},"deliveries":[`;
  }

  /** Takes other texts for the events that follow: a new token may let the client see other fields. */
  show(texts: EventTexts): void {
    this.flush();
    this.#texts = texts;
  }

  add(delivery: ClientDelivery): void {
    const text = deliveryText(delivery, this.#texts);
    const bytes = Buffer.byteLength(text) + 1;
    if (this.#batchBytes + bytes > EVENTS_FRAME_BYTES_MAX) this.flush();
    this.#batch.push(text);
    this.#batchBytes += bytes;
    this.#outbound.keep(bytes);
    if (this.#batch.length === EVENTS_PER_FRAME_MAX) this.flush();
    else if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      this.#outbound.flushAtEndOfTurn(this);
    }
  }

  flush(): void {
    this.#isFlushDue = false;
    if (this.#batch.length === 0) return;
    const text = `${this.#head}${this.#batch.join(',')}]}}`;
    const bytes = this.#batchBytes;
    this.#batch = [];
    this.#batchBytes = 0;
    this.#outbound.keep(-bytes);
    this.#outbound.send(text);
  }
}

export function deliveryText(
  { lease, attempt, leaseMs, event }: ClientDelivery,
  texts: EventTexts,
): string {
  const head = `{"lease":${JSON.stringify(lease)},"attempt":${attempt},"leaseMs":${leaseMs}`;
  return `${head},"event":${texts.of(event).text}}`;
}
