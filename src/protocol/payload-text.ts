import type { Event, EventInput } from './event.js';
import { Given } from './given.js';
import { type JsonScanner, memberCount } from './json-scanner.js';
import { UnparsedEvent } from './unparsed-event.js';

/**
 * The JSON text of a payload as its sender wrote it. A payload that comes as text is stored as that text and goes out
 * as that text: parsed and written again, 2^53 + 1 would be another number, 1e400 `null`, −0 a 0, and of two equal keys one
 * would be gone. Any thread, and browsers.
 *
 * With an event that is published the text travels as a property, so that a copy with another source keeps it. With one
 * that is read it is kept where no copy takes it along: a copy of which something is masked must not have it. In the client
 * that is beside the event (`keepPayloadText`); in the gateway, which sends events on, it is an `UnparsedEvent`.
 */
export const PAYLOAD_TEXT: unique symbol = Symbol('millrace.payloadText');

export interface WithPayloadText {
  [PAYLOAD_TEXT]?: string;
}

/** The text as a private field of the event. */
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

/** Keeps the text, in place of the one that was kept before. The event must not be frozen yet. */
export function keepPayloadText(event: Event, text: string): void {
  KeptText.keep(event, text);
}

export function payloadTextOf(event: Event): string {
  return keptText(event) ?? JSON.stringify(event.payload);
}

/** Whether the payload's own text has members that its value has not: those in front of an equal key. */
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

/** The event as JSON, with its payload's own text where that is kept. */
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

/** The text that a payload to publish came with. */
export function givenPayloadText(input: EventInput & WithPayloadText): string | undefined {
  return input[PAYLOAD_TEXT];
}

/**
 * Notes with events, as parsed, the text that a member of each had: of one, or of all in an array. `scanner` stands before
 * them; of equal members the last counts, as it does for `JSON.parse`.
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
