/**
 * Receives the buffers that carry long records (`record-channel.ts`). A port has one inbox, however many rings share
 * the port. The inbox passes each buffer to the receiver of the channel that the buffer names. Only the consumers'
 * thread may use it.
 *
 * A buffer has its own header, then the record's body:
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

  /**
   * Registers the receiver of a channel.
   * @throws Error if the channel has a receiver already: each would miss the buffers that the other takes
   */
  open(channel: number, take: TakeBuffer): void {
    if (this.#channels.has(channel)) throw new Error(`channel ${channel} has a receiver`);
    this.#channels.set(channel, take);
  }

  /** Takes every buffer that has arrived, for all channels. */
  receive(): void {
    let received = receiveMessageOnPort(this.#port);
    while (received !== undefined) {
      this.accept(received.message);
      received = receiveMessageOnPort(this.#port);
    }
  }

  /** Takes one message of the port. For a 'message' listener, which may get a buffer before a receiver asks for it. */
  accept(message: unknown): void {
    if (!types.isSharedArrayBuffer(message)) return;
    if (message.byteLength < BUFFER_HEADER_LENGTH) return;
    const bytes = Buffer.from(message);
    this.#channels.get(bytes.readInt32LE(BUFFER_CHANNEL))?.(bytes);
  }

  /** Switches to the port of a producer that replaced a dead one, after taking the buffers that the old port holds. */
  relink(port: MessagePort): void {
    this.receive();
    this.#port = port;
  }
}
