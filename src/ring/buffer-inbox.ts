/**
 * The receiving end of the buffers that long records travel in (`record-channel.ts`). A port has one reader, whatever
 * number of rings share it: this one takes every buffer and gives it to the receiver of the channel that it names. Used by the
 * consumers' thread alone.
 *
 * A buffer is a header of its own, then the record's body:
 *
 * ```
 *    0               4               8               12              16
 *   +---------------+---------------+---------------+---------------+--------
 *  0| key           | generation    | channel       | unused        | body
 *   +---------------+---------------+---------------+---------------+--------
 * ```
 */
import { types } from 'node:util';
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { RECORD_ALIGNMENT } from './ring-descriptor.js';

export const BUFFER_KEY = 0;
export const BUFFER_GENERATION = BUFFER_KEY + 4;
export const BUFFER_CHANNEL = BUFFER_GENERATION + 4;
export const BUFFER_HEADER_LENGTH = BUFFER_CHANNEL + 8;

if (BUFFER_HEADER_LENGTH % RECORD_ALIGNMENT !== 0) {
  throw new Error(`a buffer's header is ${BUFFER_HEADER_LENGTH} bytes`);
}

type TakeBuffer = (bytes: Buffer) => void;

export class BufferInbox {
  readonly #channels = new Map<number, TakeBuffer>();
  #port: MessagePort;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  /** @throws Error if the channel has its receiver already: each would miss what the other takes */
  open(channel: number, take: TakeBuffer): void {
    if (this.#channels.has(channel)) throw new Error(`channel ${channel} has a receiver`);
    this.#channels.set(channel, take);
  }

  /** Takes all that has arrived, for every channel. */
  receive(): void {
    let received = receiveMessageOnPort(this.#port);
    while (received !== undefined) {
      this.accept(received.message);
      received = receiveMessageOnPort(this.#port);
    }
  }

  /** For a 'message' listener on the same port, which may get a buffer before a receiver asks for it. */
  accept(message: unknown): void {
    if (!types.isSharedArrayBuffer(message)) return;
    if (message.byteLength < BUFFER_HEADER_LENGTH) return;
    const bytes = Buffer.from(message);
    this.#channels.get(bytes.readInt32LE(BUFFER_CHANNEL))?.(bytes);
  }

  /** Goes over to the port of a producer that replaced a dead one, and keeps what the old port holds. */
  relink(port: MessagePort): void {
    this.receive();
    this.#port = port;
  }
}
