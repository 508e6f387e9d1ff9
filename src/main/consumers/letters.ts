import type { DueLetter } from '../../link/consumer-shapes.js';
import type { EventInput } from '../../protocol/event.js';
import { ATTRIBUTE_VALUE_BYTES_MAX, ATTRIBUTES_MAX } from '../../protocol/limits/events.js';
import { withPayloadText } from '../../protocol/payload-text.js';
import { EventRecordView } from '../../record/event-record.js';

/**
 * The dead letter of an event: an event with the payload, type, source and correlation id of the dead one, whose
 * attributes say what it died of. Its id is the same each time that it is published for the same death, so that a
 * repeat within the dedupe window is stored once.
 */

const view = new EventRecordView();

/** @throws BusError `PAYLOAD_INVALID` for a payload that is not JSON */
export function letterOf(
  letter: DueLetter & { readonly record: string },
  shard: number,
  consumer: string,
  topic: string,
): EventInput {
  const bytes = Buffer.from(letter.record, 'base64');
  const dead = view.wrap(bytes, 0);
  const { correlationId } = dead;
  const input = {
    id: `${letter.consumer}-${shard}-${letter.sequence}-${letter.times}`,
    topic,
    type: dead.type,
    source: dead.source,
    ...(correlationId === undefined ? {} : { correlationId }),
    causationId: dead.id,
    attributes: attributesOf(letter, shard, consumer, dead),
  };
  return withPayloadText(input, dead.payloadText);
}

/** What it died of, and those of the event's own attributes for which there is room, in their order. */
function attributesOf(
  { attempts, cause, reason, diedAt, sequence }: DueLetter,
  shard: number,
  consumer: string,
  dead: EventRecordView,
): Record<string, string> {
  const attributes: Record<string, string> = {
    deadConsumer: consumer,
    deadTopic: dead.topic,
    deadId: dead.id,
    deadShard: String(shard),
    deadSequence: String(sequence),
    deadAttempts: String(attempts),
    deadCause: cause,
    ...(reason === '' ? {} : { deadReason: cutToBytes(reason, ATTRIBUTE_VALUE_BYTES_MAX) }),
    deadAt: new Date(diedAt).toISOString(),
  };
  let room = ATTRIBUTES_MAX - Object.keys(attributes).length;
  for (const [key, value] of Object.entries(dead.attributes ?? {})) {
    if (room === 0) break;
    if (Object.hasOwn(attributes, key)) continue;
    attributes[key] = value;
    room--;
  }
  return attributes;
}

/** The longest beginning that has at most so many bytes as UTF-8. */
export function cutToBytes(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return text;
  let end = bytesMax;
  // A byte `10xxxxxx` goes on with a character that began before.
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
