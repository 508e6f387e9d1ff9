/**
 * An event as an address of the page names it: `TOPIC/ID@SOURCE`. Each source may have ids of its own, so only the three
 * together name one. Without a source it is the newest event with the id. Pure.
 */
export interface EventAddress {
  /** A pattern where only the id is known. */
  readonly topic: string;
  readonly id: string;
  readonly source?: string;
}

export function textOf({ topic, id, source }: EventAddress): string {
  return `${topic}/${id}${source === undefined ? '' : `@${encodeURIComponent(source)}`}`;
}

/** A topic may hold `/` and `@`; an id and an encoded source hold neither. */
export function addressOf(text: string): EventAddress | undefined {
  const found = /^(.+)\/([^/@]+)(?:@([^/@]+))?$/s.exec(text);
  if (found === null) return undefined;
  const [, topic = '', id = '', encoded] = found;
  if (encoded === undefined) return { topic, id };
  try {
    return { topic, id, source: decodeURIComponent(encoded) };
  } catch {
    return undefined;
  }
}
