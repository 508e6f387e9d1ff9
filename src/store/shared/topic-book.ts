import { EMPTIED_TOPICS_KEPT } from '../../protocol/limits/store.js';
import type { TopicSummary, TopicTotals } from '../shard-log.js';

type Topic = { -readonly [field in keyof TopicSummary]: TopicSummary[field] };

/** A topic that the broker is being asked about. */
interface Asked {
  /** The last of the questions. */
  question: number;
  /** What the book has noted since the first of them: the answer may be older. */
  readonly noted: { readonly sequence: number; readonly recordedAt: number }[];
}

/**
 * The topics of a shared log, numbered from 1 in the order in which the book learned of them. Beyond a number it forgets those that hold
 * no event any more, the ones that were emptied first.
 */
export class TopicBook {
  /** Topics that the book does not know may have had events up to this sequence. */
  forgottenThrough: number;
  readonly #numbers = new Map<string, number>();
  readonly #topics = new Map<number, Topic>();
  readonly #emptied = new Set<string>();
  readonly #emptiedKept: number;
  #lastNumber = 0;
  /** All numbers, ascending, until topics come or go. */
  #order: number[] | undefined;
  readonly #asked = new Map<string, Asked>();
  #questions = 0;

  constructor(
    topics: readonly TopicSummary[] = [],
    forgottenThrough = 0,
    emptiedKept = EMPTIED_TOPICS_KEPT,
  ) {
    this.forgottenThrough = forgottenThrough;
    this.#emptiedKept = emptiedKept;
    for (const topic of topics) this.set(topic);
  }

  get all(): readonly TopicSummary[] {
    return [...this.#topics.values()];
  }

  /** Counts an event, unless the topic's summary came from the broker and has it already. */
  note(name: string, sequence: number, recordedAt: number): void {
    if (this.#asked.size > 0) this.#asked.get(name)?.noted.push({ sequence, recordedAt });
    const known = this.#get(name);
    if (known !== undefined && known.lastSequence >= sequence) return;
    if (known !== undefined && known.events > 0) {
      known.events++;
      known.lastSequence = sequence;
      known.lastAt = recordedAt;
      return;
    }
    const { prunedThrough = this.forgottenThrough } = known ?? {};
    this.set({
      name,
      events: 1,
      prunedThrough,
      firstSequence: sequence,
      lastSequence: sequence,
      firstAt: recordedAt,
      lastAt: recordedAt,
    });
  }

  /** The broker is asked about these topics now. Returns what `answer` is to be given. */
  ask(names: readonly string[]): number {
    const question = ++this.#questions;
    for (const name of names) {
      const asked = this.#asked.get(name);
      if (asked === undefined) this.#asked.set(name, { question, noted: [] });
      else asked.question = question;
    }
    return question;
  }

  /**
   * Takes what the broker has answered. It has no events of a topic that the answer leaves out. What the book has noted since is
   * newer than the answer, and so is a later answer.
   */
  answer(question: number, names: readonly string[], topics: readonly TopicSummary[]): void {
    const answers = new Map(topics.map((topic) => [topic.name, topic]));
    for (const name of names) {
      const asked = this.#asked.get(name);
      if (asked?.question !== question) continue;
      this.#asked.delete(name);
      const known = this.get(name);
      const answer = answers.get(name) ?? (known && { ...known, events: 0 });
      if (answer === undefined) continue;
      const counted = answers.has(name) ? answer.lastSequence : 0;
      const prunedThrough = Math.max(
        answer.prunedThrough,
        known?.prunedThrough ?? this.forgottenThrough,
      );
      const later = asked.noted.filter(({ sequence }) => sequence > counted);
      this.set(withLater({ ...answer, prunedThrough }, later));
    }
  }

  /** Takes a topic as the broker knows it. */
  set(topic: TopicSummary): void {
    const { name, events } = topic;
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = ++this.#lastNumber;
      this.#numbers.set(name, number);
      this.#order = undefined;
    }
    this.#topics.set(number, { ...topic });
    if (events > 0) this.#emptied.delete(name);
    else this.#emptied.add(name);
    if (this.#emptied.size > this.#emptiedKept) this.#forgetFirst();
  }

  /**
   * All events up to `through` have gone, of which the book has noted those up to `heard`. Returns the topics of which only the
   * broker knows how many events they have left, and which is the first. Until it says so they may have lost events up to
   * `through`.
   */
  prune(through: number, heard: number): string[] {
    const changed: string[] = [];
    for (const topic of [...this.#topics.values()]) {
      const { name, firstSequence, lastSequence, events } = topic;
      // Events that the book never noted may have been of any topic.
      const isAny = through > heard;
      if (!isAny && (events === 0 || firstSequence > through)) continue;
      const isEmpty = lastSequence <= through;
      const prunedThrough = isEmpty && !isAny ? lastSequence : through;
      this.set({ ...topic, prunedThrough, events: isEmpty ? 0 : events });
      if (!isEmpty || isAny) changed.push(name);
    }
    return changed;
  }

  /**
   * Any events up to `through` may have gone, of any topic, while others are left. Returns the topics of which only the broker
   * knows what they have left.
   */
  lose(through: number): string[] {
    this.forgottenThrough = Math.max(this.forgottenThrough, through);
    const touched: string[] = [];
    for (const topic of this.#topics.values()) {
      topic.prunedThrough = Math.max(topic.prunedThrough, through);
      if (topic.events > 0 && topic.firstSequence <= through) touched.push(topic.name);
    }
    return touched;
  }

  /** As it is by now: it changes with the next event. */
  get(name: string): TopicSummary | undefined {
    return this.#get(name);
  }

  #get(name: string): Topic | undefined {
    const number = this.#numbers.get(name);
    return number === undefined ? undefined : this.#topics.get(number);
  }

  /** See `ShardLog.scanTopics`. */
  scan(after: number, limit: number, visit: (topic: TopicTotals) => void): number {
    const numbers = (this.#order ??= [...this.#topics.keys()]);
    let low = 0;
    let high = numbers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (numbers[middle]! > after) high = middle;
      else low = middle + 1;
    }
    const shown = numbers.slice(low, low + limit);
    for (const number of shown) visit(this.#topics.get(number)!);
    return low + shown.length < numbers.length ? shown.at(-1)! : 0;
  }

  #forgetFirst(): void {
    const [name] = this.#emptied;
    const { prunedThrough } = this.get(name!)!;
    this.forgottenThrough = Math.max(this.forgottenThrough, prunedThrough);
    this.#topics.delete(this.#numbers.get(name!)!);
    this.#numbers.delete(name!);
    this.#emptied.delete(name!);
    this.#order = undefined;
  }
}

function withLater(topic: TopicSummary, later: Asked['noted']): TopicSummary {
  const [first] = later;
  const last = later.at(-1);
  if (first === undefined || last === undefined) return topic;
  const begins =
    topic.events > 0 ? {} : { firstSequence: first.sequence, firstAt: first.recordedAt };
  const events = topic.events + later.length;
  return { ...topic, ...begins, events, lastSequence: last.sequence, lastAt: last.recordedAt };
}
