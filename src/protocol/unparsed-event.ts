import type { Event } from './event.js';

/**
 * An event that is read to be sent on as text, as the gateway does. It holds the JSON text of its payload, which is
 * sent unchanged. The text is parsed when `payload` is read, for instance to be masked. Any thread, and browsers.
 *
 * The payload is not an own property, so a copy has neither payload nor text. A masked copy is given its masked
 * payload, and cannot reveal the text.
 */
export type EventFields = Omit<Event, 'payload' | 'cursor'>;

export class UnparsedEvent implements Event {
  readonly id: string;
  readonly topic: string;
  readonly type: string;
  readonly source: string;
  readonly timestamp: string;
  declare readonly correlationId?: string;
  declare readonly causationId?: string;
  declare readonly attributes?: Readonly<Record<string, string>>;
  declare readonly expiresAt?: string;
  readonly shard: number;
  declare readonly sequence?: number;
  readonly #payloadText: string;
  #payload: unknown;
  #isParsed = false;

  /** @param payloadText the payload as JSON */
  constructor(fields: EventFields, payloadText: string) {
    this.id = fields.id;
    this.topic = fields.topic;
    this.type = fields.type;
    this.source = fields.source;
    this.timestamp = fields.timestamp;
    if (fields.correlationId !== undefined) this.correlationId = fields.correlationId;
    if (fields.causationId !== undefined) this.causationId = fields.causationId;
    if (fields.attributes !== undefined) this.attributes = fields.attributes;
    if (fields.expiresAt !== undefined) this.expiresAt = fields.expiresAt;
    this.shard = fields.shard;
    if (fields.sequence !== undefined) this.sequence = fields.sequence;
    this.#payloadText = payloadText;
  }

  get payload(): unknown {
    if (!this.#isParsed) this.#payload = JSON.parse(this.#payloadText);
    this.#isParsed = true;
    return this.#payload;
  }

  get payloadText(): string {
    return this.#payloadText;
  }

  /** The event as JSON. */
  get text(): string {
    const { correlationId, causationId, attributes, expiresAt, sequence } = this;
    let text = `{"id":${quoted(this.id)},"topic":${quoted(this.topic)},"type":${quoted(this.type)}`;
    text += `,"source":${quoted(this.source)},"timestamp":"${this.timestamp}"`;
    if (correlationId !== undefined) text += `,"correlationId":${quoted(correlationId)}`;
    if (causationId !== undefined) text += `,"causationId":${quoted(causationId)}`;
    if (attributes !== undefined) text += `,"attributes":${JSON.stringify(attributes)}`;
    if (expiresAt !== undefined) text += `,"expiresAt":"${expiresAt}"`;
    text += `,"shard":${this.shard}`;
    if (sequence !== undefined) text += `,"sequence":${sequence}`;
    return `${text},"payload":${this.#payloadText}}`;
  }

  /** A plain event, as for `JSON.stringify`. */
  toJSON(): Event {
    return { ...this, payload: this.payload };
  }
}

const quoted: (text: string) => string = JSON.stringify;
