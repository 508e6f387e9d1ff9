import type { Event } from './event.js';
import { JsonScanner } from './json-scanner.js';
import { keepPayloadText, notePayloadTexts } from './payload-text.js';
import type { ClientFrame, Result, ServerFrame } from './wire.js';

/** Keeps the JSON texts of the payloads in a frame, taken from the frame's text; see `payload-text.ts`. */

const PUBLISHING: ReadonlySet<ClientFrame['type']> = new Set([
  'publish',
  'ackAndPublish',
  'request',
  'answer',
]);

/** Notes the payloads' texts with the parsed events that a client publishes. */
export function notePublishedTexts({ type, payload }: ClientFrame, text: string): void {
  if (!PUBLISHING.has(type)) return;
  const parsed = payload as Readonly<Record<string, unknown>>;
  const scanner = new JsonScanner(text);
  scanner.members((field) => {
    if (field !== 'payload') return;
    if (type === 'answer') {
      notePayloadTexts(scanner, parsed, 'payload');
      return;
    }
    scanner.members((key) => {
      if (key === 'event' || key === 'events') notePayloadTexts(scanner, parsed[key], 'payload');
    });
  });
}

/** Keeps the payloads' texts with the events that a server sends. */
export function noteReceivedTexts(frame: ServerFrame, text: string): void {
  if (frame.type !== 'events' && frame.type !== 'result' && frame.type !== 'deliveries') return;
  const { events = [], deliveries = [] } = frame.payload as Pick<Result, 'events' | 'deliveries'>;
  const scanner = new JsonScanner(text);
  const onEvent = (event: Event | undefined): void => {
    if (event === undefined) return;
    scanner.members((key) => {
      if (key === 'payload') keepPayloadText(event, scanner.value());
    });
  };
  const onDelivery = (index: number): void =>
    scanner.members((key) => {
      if (key === 'event') onEvent(deliveries[index]?.event);
    });
  scanner.members((field) => {
    if (field !== 'payload') return;
    scanner.members((key) => {
      if (key === 'events') scanner.elements((index) => onEvent(events[index]));
      if (key === 'deliveries') scanner.elements(onDelivery);
    });
  });
}
