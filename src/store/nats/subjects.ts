/**
 * Topics as NATS subjects: `PREFIX.SHARD.TOPIC`. A segment of a topic may be `>`, which is a wildcard in a subject, so
 * `>` stands as `%3E` and `%` as `%25`. NATS takes all other characters of a topic. Pure.
 */
const SPECIAL = /[%>]/g;
const ESCAPED = /%(25|3E)/g;

export class Subjects {
  readonly #before: string;

  constructor(prefix: string, shard: number) {
    this.#before = `${prefix}.${shard}.`;
  }

  /** The subject that every topic of the shard matches. */
  get all(): string {
    return `${this.#before}>`;
  }

  of(topic: string): string {
    const isPlain = !topic.includes('>') && !topic.includes('%');
    return this.#before + (isPlain ? topic : topic.replace(SPECIAL, escaped));
  }

  topicOf(subject: string): string {
    const topic = subject.slice(this.#before.length);
    return topic.includes('%') ? topic.replace(ESCAPED, plain) : topic;
  }

  /**
   * The narrowest subject that all topics of a pattern match. Other topics may match it too: a `*` in a pattern stands
   * for no first segment that begins with `$`.
   */
  ofPattern(pattern: string): string {
    const segments = pattern.split('.');
    const last = segments.length - 1;
    const tokens = segments.map((segment, at) => {
      if (segment === '+') return '*';
      if (segment === '*') return at === last ? '>' : '*';
      return segment.replace(SPECIAL, escaped);
    });
    return this.#before + tokens.join('.');
  }
}

export function streamName(prefix: string, shard: number): string {
  return `${prefix}-${shard}`;
}

function escaped(character: string): string {
  return character === '%' ? '%25' : '%3E';
}

function plain(text: string): string {
  return text === '%25' ? '%' : '>';
}
