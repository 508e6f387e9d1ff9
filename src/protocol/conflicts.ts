import type { ErrorData } from './errors.js';

/** What a publisher expected of a topic, and what is there. */
export interface Unexpected {
  readonly topic: string;
  /** The sequence of the topic's last event; 0: it was to have none. */
  readonly expected: number;
  /** The sequence of the topic's last event; 0: it has none. */
  readonly found: number;
  /** The id of that event; undefined if it is not known, or has been pruned. */
  readonly id?: string | undefined;
  /** Of the event in its group. */
  readonly index?: number | undefined;
}

/** An event of a group that is stored already, and not as a part of this group. */
export interface StoredApart {
  readonly topic: string;
  readonly id: string;
  readonly found: number;
  readonly index: number | undefined;
}

/** `CONFLICT`: the topic's last event is not the one that was expected. */
export function unexpectedError({ topic, expected, found, id, index }: Unexpected): ErrorData {
  const there = found === 0 ? 'it has no event' : `its last event is ${found}`;
  const wanted = expected === 0 ? 'none' : `${expected}`;
  return {
    code: 'CONFLICT',
    message: `${topic}: ${there}, and ${wanted} was expected`,
    details: {
      topic,
      expected: expected === 0 ? 'none' : { sequence: expected },
      ...(found === 0 ? {} : { sequence: found }),
      ...(id === undefined ? {} : { id }),
      ...(index === undefined ? {} : { index }),
    },
  };
}

/** `CONFLICT`: a part of a group is stored already. */
export function storedApartError({ topic, id, found, index }: StoredApart): ErrorData {
  return {
    code: 'CONFLICT',
    message: `event ${id} on ${topic} is stored already, as ${found}, and not all of its group is`,
    details: { topic, sequence: found, id, index },
  };
}
