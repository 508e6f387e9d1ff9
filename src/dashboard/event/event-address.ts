/** An event as an address of the page names it: `TOPIC/ID`. Pure. */
export interface EventAddress {
  /** A pattern where only the id is known. */
  readonly topic: string;
  readonly id: string;
}

export function textOf({ topic, id }: EventAddress): string {
  return `${topic}/${id}`;
}

/** A topic may hold a `/`, an id does not. */
export function addressOf(text: string): EventAddress | undefined {
  const end = text.lastIndexOf('/');
  if (end <= 0 || end === text.length - 1) return undefined;
  return { topic: text.slice(0, end), id: text.slice(end + 1) };
}
