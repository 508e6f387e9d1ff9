import { BusError } from './errors.js';
import type { Event, EventInput } from './event.js';
import { Given } from './given.js';
import { jsonFaultText } from './json-fault.js';
import { type JsonScanner, memberCount, onOneLine } from './json-scanner.js';
import { UnparsedEvent } from './unparsed-event.js';

/**
 * The JSON text of a payload as its sender wrote it. A payload that arrives as text is stored and sent as that text.
 * Parsed and written again, 2^53 + 1 would become another number, 1e400 `null`, −0 a 0, and one of two equal keys would
 * be lost. Any thread, and browsers.
 *
 * An event to be published carries the text as a property, so that a copy with another source keeps it. An event that
 * is read keeps the text where copies do not have it, as a masked copy must not: in the client in a private field
 * (`keepPayloadText`), in the gateway, which sends events on, in an `UnparsedEvent`.
 */
export const PAYLOAD_TEXT: unique symbol = Symbol('millrace.payloadText');

export interface WithPayloadText {
  [PAYLOAD_TEXT]?: string;
}

/** Keeps the text in a private field of the event. */
class KeptText extends Given {
  #text: string;

  private constructor(event: Event, text: string) {
    super(event);
    this.#text = text;
  }

  static keep(event: Event, text: string): void {
    if (#text in event) event.#text = text;
    else new KeptText(event, text);
  }

  static of(event: Event): string | undefined {
    return #text in event ? event.#text : undefined;
  }
}

/** Keeps the text with the event, in place of an earlier one. The event must not be frozen yet. */
export function keepPayloadText(event: Event, text: string): void {
  KeptText.keep(event, text);
}

/**
 * The payload of an event as JSON: the text of its sender where it was kept, as in what a client's `get` answers, or
 * else written anew from the value.
 *
 * @param event an event that was received
 * @returns JSON, on one line
 */
export function payloadTextOf(event: Event): string {
  return keptText(event) ?? JSON.stringify(event.payload);
}

/** Whether the payload's text has members that its parsed value does not have, as a later member has the same key. */
export function saysMoreAsText(event: Event): boolean {
  const text = keptText(event);
  return text !== undefined && memberCount(text) > membersOf(event.payload);
}

function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const children = Object.values(value);
  let count = Array.isArray(value) ? 0 : children.length;
  for (const child of children) count += membersOf(child);
  return count;
}

/** The event as JSON, with its payload's own text if that is kept. */
export function eventText(event: Event): string {
  if (event instanceof UnparsedEvent) return event.text;
  const text = KeptText.of(event);
  if (text === undefined) return JSON.stringify(event);
  const { payload: _, ...rest } = event;
  return `${JSON.stringify(rest).slice(0, -1)},"payload":${text}}`;
}

function keptText(event: Event): string | undefined {
  return event instanceof UnparsedEvent ? event.payloadText : KeptText.of(event);
}

/**
 * An event to be published whose payload is this text, stored and sent on with every digit and every repeated key. Line
 * breaks between its values are left out.
 *
 * @param event the other fields
 * @param text JSON
 * @returns the event, whose `payload` is what JavaScript holds of the text; copies of it do not keep the text
 * @throws BusError `PAYLOAD_INVALID` if the text is not JSON, with the line and column of the fault
 */
export function withPayloadText<P = unknown>(
  event: Omit<EventInput<P>, 'payload'>,
  text: string,
): EventInput<P> {
  let payload: P;
  try {
    payload = JSON.parse(text);
  } catch (cause) {
    throw new BusError('PAYLOAD_INVALID', `the payload is not JSON: ${jsonFaultText(text)}`, {
      cause,
    });
  }
  // Not enumerable, so that a copy with another payload does not carry the text of this one.
  return Object.defineProperty({ ...event, payload }, PAYLOAD_TEXT, {
    value: onOneLine(text.trim()),
  });
}

/** The text of a payload to be published, if it arrived as text. */
export function givenPayloadText(input: EventInput & WithPayloadText): string | undefined {
  return input[PAYLOAD_TEXT];
}

/**
 * Notes with a parsed event, or with each in an array, the text of one of its members. `scanner` has to be in front of
 * the event or array. Of equal members the last counts, as for `JSON.parse`.
 */
export function notePayloadTexts(scanner: JsonScanner, parsed: unknown, member: string): void {
  if (!Array.isArray(parsed)) noteOne(scanner, parsed, member);
  else scanner.elements((index) => noteOne(scanner, parsed[index], member));
}

function noteOne(scanner: JsonScanner, parsed: unknown, member: string): void {
  if (typeof parsed !== 'object' || parsed === null) return;
  scanner.members((key) => {
    if (key === member) (parsed as WithPayloadText)[PAYLOAD_TEXT] = scanner.value();
  });
}
