import { SHARED_FRAMES_PER_TURN_MAX } from '../../protocol/limits/websocket.js';
import type { EventText } from '../event-texts.js';

/**
 * `events` frames as bytes, with their WebSocket header, made once for all connections to which the same events are
 * due. Frames are shared by content: the same events with the same cursor, for a subscription of the same name, are one
 * frame, whatever the connections have subscribed to. The same events under other names share the bytes of the events.
 * So a connection that falls behind, or drops events, gets frames of its own, and shares again once it has caught up.
 *
 * All frames are forgotten at the end of the event loop's turn. One thread.
 *
 * Measured (`bench/gateway-fanout.js`): with a string per connection, 100 connections at 10,000 events/s fell seconds
 * behind, most of the time spent on turning strings into bytes.
 */

/** A frame with its header; without the header, from `payloadOffset` on, for a sender that frames it again. */
export interface SharedFrame {
  readonly bytes: Buffer;
  readonly payloadOffset: number;
}

interface SharedEvents {
  readonly texts: readonly EventText[];
  /** The events' JSON with commas between. */
  readonly bytes: Buffer;
  /** The last frame for each head (the text before the events). */
  readonly frames: Map<string, { readonly cursor: string; readonly frame: SharedFrame }>;
}

const COMMA = 0x2c;
/** RFC 6455, 5.2: the final (and only) fragment of a text message. */
const FIN_TEXT = 0x81;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const LENGTH_7_MAX = 125;
const LENGTH_16_MAX = 0xffff;

export class SharedFrames {
  /** By the last event, with which several different lists of events may end. */
  readonly #known = new Map<EventText, SharedEvents[]>();
  #count = 0;

  /** The frame of these events. `head`: all text before the events. `texts` must not change afterwards. */
  of(head: string, texts: readonly EventText[], cursor: string): SharedFrame {
    const { frames, bytes } = this.#events(texts);
    const known = frames.get(head);
    if (known?.cursor === cursor) return known.frame;
    const frame = frameOf(head, bytes, cursor);
    this.#makeRoom();
    frames.set(head, { cursor, frame });
    return frame;
  }

  /** Forgets all frames: the next turn sends other events. */
  forget(): void {
    if (this.#count === 0) return;
    this.#known.clear();
    this.#count = 0;
  }

  #events(texts: readonly EventText[]): SharedEvents {
    const last = texts.at(-1)!;
    const found = this.#known.get(last)?.find((one) => areSame(one.texts, texts));
    if (found !== undefined) return found;
    const made: SharedEvents = { texts, bytes: joined(texts), frames: new Map() };
    this.#makeRoom();
    const others = this.#known.get(last);
    if (others === undefined) this.#known.set(last, [made]);
    else others.push(made);
    return made;
  }

  #makeRoom(): void {
    if (this.#count === SHARED_FRAMES_PER_TURN_MAX) this.forget();
    this.#count++;
  }
}

function areSame(a: readonly EventText[], b: readonly EventText[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function joined(texts: readonly EventText[]): Buffer {
  let length = texts.length - 1;
  for (const { bytes } of texts) length += bytes;
  const buffer = Buffer.allocUnsafe(length);
  let at = 0;
  for (const { text, bytes } of texts) {
    if (at > 0) buffer[at++] = COMMA;
    // ASCII text is written as latin1, which is a mere copy.
    at += buffer.write(text, at, bytes === text.length ? 'latin1' : 'utf8');
  }
  return buffer;
}

function frameOf(head: string, events: Buffer, cursor: string): SharedFrame {
  const headLength = Buffer.byteLength(head);
  const tail = `],"cursor":"${cursor}"}}`;
  const length = headLength + events.length + tail.length;
  const payloadOffset = length <= LENGTH_7_MAX ? 2 : length <= LENGTH_16_MAX ? 4 : 10;
  const bytes = Buffer.allocUnsafe(payloadOffset + length);
  writeHeader(bytes, length);
  bytes.write(head, payloadOffset);
  events.copy(bytes, payloadOffset + headLength);
  // The tail is ASCII: a cursor is base64url.
  bytes.write(tail, bytes.length - tail.length, 'latin1');
  return { bytes, payloadOffset };
}

/** The header of an unmasked text message in one fragment, as servers send it. */
function writeHeader(bytes: Buffer, payloadLength: number): void {
  bytes[0] = FIN_TEXT;
  if (payloadLength <= LENGTH_7_MAX) bytes[1] = payloadLength;
  else if (payloadLength <= LENGTH_16_MAX) {
    bytes[1] = LENGTH_16;
    bytes.writeUInt16BE(payloadLength, 2);
  } else {
    bytes[1] = LENGTH_64;
    bytes.writeUInt32BE(0, 2);
    bytes.writeUInt32BE(payloadLength, 6);
  }
}
