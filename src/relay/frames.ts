/**
 * The messages between the relay of a shard's consumers on one node and the desk on another (docs/adr/0086). All of them listen
 * at the shard's address, where HELLO and BEGUN go; each relay, and each life of a desk, has an address of its own besides.
 *
 * ```
 *  0  u8   kind
 *  1  u8   length of the sender's address
 *  4  u32  number: the sender's messages of the session, from 1 on; 0 for HELLO, WELCOME, REFUSED, LOST, BEGUN
 *  8  u32  channel: one for each endpoint, chosen by the relay
 * 12  f64  value, see below
 * 20       address of the sender · body
 * ```
 *
 * Integers are little endian.
 */

import { RELAY_PIECE_BYTES } from '../protocol/limits/relay.js';

/** From a relay to the shard's desk, wherever that is: value is the relay's `elapsedMs`, body the digest of what links carry. */
export const HELLO = 1;
/** The answer, from an address of the desk's own life: value is the owner's `elapsedMs`, body that of the HELLO as f64. */
export const WELCOME = 2;
/** The desk does not take this relay: body says why. */
export const REFUSED = 3;
/** The receiver knows no such session, or has lost some of it: it is over. */
export const LOST = 4;
/** An endpoint comes; body is its name. */
export const OPEN = 5;
/** The endpoint has left. */
export const CLOSE = 6;
/** A piece of the channel's records. */
export const DATA = 7;
/** Value: how many bytes of the channel's records were taken so far. */
export const TAKEN = 8;
/** Says that the sender lives, and shows by its number what was lost. */
export const ALIVE = 9;
/** The sender ends the session. */
export const BYE = 10;
/** From a desk that takes relays in from now on: those of another life of it have to begin anew. */
export const BEGUN = 11;

/** The address of a shard's desk and of all its relays. */
export function deskAddress(shard: number): string {
  return `desk.${shard}`;
}

const KIND = 0;
const ADDRESS_LENGTH = 1;
const NUMBER = 4;
const CHANNEL = 8;
const VALUE = 12;
const ADDRESS = 20;

export interface Frame {
  readonly kind: number;
  readonly from: string;
  readonly number: number;
  readonly channel: number;
  readonly value: number;
  readonly body: Buffer;
}

/** The most that stands before the body: the address has at most 255 bytes. */
const HEAD_BYTES_MAX = ADDRESS + 255;

/** The longest body for a broker that takes messages of so many bytes. */
export function bodyBytesMax({ messageBytesMax }: { readonly messageBytesMax: number }): number {
  return Math.min(RELAY_PIECE_BYTES, messageBytesMax - HEAD_BYTES_MAX);
}

const NO_BODY = Buffer.alloc(0);

export function encodeFrame(frame: Partial<Frame> & Pick<Frame, 'kind' | 'from'>): Buffer {
  const { kind, from, number = 0, channel = 0, value = 0, body = NO_BODY } = frame;
  const length = Buffer.byteLength(from);
  const bytes = Buffer.allocUnsafe(ADDRESS + length + body.length).fill(0, 0, ADDRESS);
  bytes[KIND] = kind;
  bytes[ADDRESS_LENGTH] = length;
  bytes.writeUInt32LE(number, NUMBER);
  bytes.writeUInt32LE(channel, CHANNEL);
  bytes.writeDoubleLE(value, VALUE);
  bytes.write(from, ADDRESS);
  bytes.set(body, ADDRESS + length);
  return bytes;
}

/** Undefined for a message that is no frame. */
export function decodeFrame(message: Uint8Array): Frame | undefined {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.length);
  const bodyAt = bytes.length < ADDRESS ? Number.NaN : ADDRESS + bytes[ADDRESS_LENGTH]!;
  if (!(bytes.length >= bodyAt)) return undefined;
  return {
    kind: bytes[KIND]!,
    from: bytes.toString('utf8', ADDRESS, bodyAt),
    number: bytes.readUInt32LE(NUMBER),
    channel: bytes.readUInt32LE(CHANNEL),
    value: bytes.readDoubleLE(VALUE),
    body: bytes.subarray(bodyAt),
  };
}
