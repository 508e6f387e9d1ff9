import { promisify } from 'node:util';
import { deflate, inflate } from 'node:zlib';
import { ulid } from 'ulid';
import { BusError } from '../../../protocol/errors.js';
import { KIB } from '../../../protocol/limits/units.js';
import type { SharedText, VersionedText } from '../../consumer-broker.js';
import { type GuardedParts, GuardedSubject } from './guarded-subject.js';

/** A longer text is deflated, bytes. */
const PLAIN_BYTES_MAX = KIB;
/** The headers of a message, and more. */
const HEADERS_BYTES = 256;
const NEWLINE = 0x0a;

const deflated = promisify(deflate);
const inflated = promisify(inflate);

/** The first line of the message, before the text. */
interface Head {
  /** Of this replacement alone. */
  readonly id: string;
  readonly isDeflated: boolean;
}

/** A text that all nodes share: a key of the store's bucket, whose revision is the text's version. */
export class NatsText implements SharedText {
  readonly #parts: GuardedParts;
  readonly #subject: GuardedSubject;

  constructor(parts: GuardedParts) {
    this.#parts = parts;
    this.#subject = new GuardedSubject(parts);
  }

  async read(): Promise<VersionedText> {
    const last = await this.#subject.last();
    if (last === undefined) return { version: 0, text: undefined };
    const { head, body } = this.#parsed(last.data);
    const bytes = head.isDeflated ? await inflated(body) : body;
    return { version: last.sequence, text: bytes.toString('utf8') };
  }

  async replace(version: number, text: string): Promise<number | undefined> {
    const id = ulid();
    const data = await this.#messageOf(id, Buffer.from(text));
    const isThis = (found: Uint8Array): boolean => this.#parsed(found).head.id === id;
    const added = await this.#subject.add(data, version, isThis);
    if (added.sequence !== undefined) return added.sequence;
    if (!added.isDoubtful) return undefined;
    const { stream, subject } = this.#parts;
    const message = `stream ${stream} has another message on ${subject} by now: it is not known whether it had this one`;
    throw new BusError('STORE_FAILED', message, { details: { stream, subject } });
  }

  async #messageOf(id: string, text: Buffer): Promise<Uint8Array> {
    const isDeflated = text.length > PLAIN_BYTES_MAX;
    const head: Head = { id, isDeflated };
    const body = isDeflated ? await deflated(text) : text;
    const message = Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), body]);
    const limit = this.#parts.link.maxPayload - HEADERS_BYTES;
    if (message.length <= limit) return message;
    throw new BusError(
      'LIMIT_EXCEEDED',
      `natsStore: ${this.#parts.subject} takes ${message.length} bytes, deflated, and max_payload of the NATS server lets ` +
        `${limit} through: raise it, or have fewer consumers`,
      { details: { bytes: message.length, limit, setting: 'max_payload' } },
    );
  }

  #parsed(data: Uint8Array): { head: Head; body: Buffer } {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
    const end = bytes.indexOf(NEWLINE);
    try {
      const head = JSON.parse(bytes.toString('utf8', 0, end)) as Head;
      return { head, body: bytes.subarray(end + 1) };
    } catch (error) {
      const message = `natsStore: ${this.#parts.subject} has a message that no Millrace wrote`;
      throw new BusError('STORE_CORRUPT', message, { cause: error });
    }
  }
}
