import { BusError, type ErrorCode } from '../../protocol/errors.js';
import { OUTBOX_LOOKUPS_AT_ONCE } from '../../protocol/limits/sinks.js';
import type { SinkBus } from '../sink.js';
import type { OutboxRow } from './outbox-table.js';

/**
 * Publishes rows in their order: the rows of one topic as a group, which is stored as a whole or not at all, so that no
 * row overtakes another that failed; topics side by side.
 */

export interface Outcome {
  readonly published: OutboxRow[];
  /** How many of these were in the log already. */
  duplicates: number;
  /** Rows that no attempt will ever publish, each with the reason. */
  readonly refused: Map<OutboxRow, BusError>;
  /** Why the others are not published yet, and their topics. */
  failure: unknown;
  readonly waiting: Set<string>;
}

/** The event itself is at fault. */
const OF_THE_EVENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'TOPIC_INVALID',
  'EVENT_INVALID',
  'PAYLOAD_INVALID',
  'PAYLOAD_TOO_LARGE',
]);

export class OutboxPublisher {
  readonly #bus: SinkBus;
  /** False: this principal may not read what it publishes. */
  #mayLookUp = true;

  constructor(bus: SinkBus) {
    this.#bus = bus;
  }

  /**
   * @param isDoubtful whether a row may have been published: it is looked up, however long ago that was
   * @param isStale the rows are in hand for so long that another process may have published them; they are left alone
   */
  async publish(
    rows: readonly OutboxRow[],
    isDoubtful: (row: OutboxRow) => boolean,
    isStale: () => boolean,
  ): Promise<Outcome> {
    const outcome: Outcome = {
      published: [],
      duplicates: 0,
      refused: new Map(),
      failure: undefined,
      waiting: new Set(),
    };
    const fresh = await this.#withoutPublished(rows, isDoubtful, outcome);
    if (isStale()) return outcome;
    const byTopic = new Map<string, OutboxRow[]>();
    for (const row of fresh) {
      const { topic } = row.input;
      const group = byTopic.get(topic);
      if (row.fault !== undefined) outcome.refused.set(row, refusal(row));
      else if (group === undefined) byTopic.set(topic, [row]);
      else group.push(row);
    }
    await Promise.all([...byTopic.values()].map((group) => this.#group(group, outcome)));
    return outcome;
  }

  async #group(group: readonly OutboxRow[], outcome: Outcome): Promise<void> {
    if (group.length > 1) {
      try {
        const inputs = group.map(({ input }) => input);
        const acks = await this.#bus.publishMany(inputs, { atomic: true });
        outcome.published.push(...group);
        outcome.duplicates += acks.filter(({ duplicate }) => duplicate).length;
        return;
      } catch (error) {
        if (!isOfTheGroup(error)) {
          return fail(outcome, group, error);
        }
      }
    }
    // One after the other: a group with a row that is refused, or that is partly in the log already.
    for (const row of group) {
      try {
        const { duplicate } = await this.#bus.publish(row.input);
        outcome.published.push(row);
        if (duplicate) outcome.duplicates++;
      } catch (error) {
        if (!(error instanceof BusError) || !OF_THE_EVENT.has(error.code)) {
          return fail(outcome, group, error);
        }
        outcome.refused.set(row, error);
      }
    }
  }

  /** The rows whose events are not in the log; the others count as published. */
  async #withoutPublished(
    rows: readonly OutboxRow[],
    isDoubtful: (row: OutboxRow) => boolean,
    outcome: Outcome,
  ): Promise<readonly OutboxRow[]> {
    if (!rows.some(isDoubtful)) return rows;
    const fresh: OutboxRow[] = [];
    for (let at = 0; at < rows.length; at += OUTBOX_LOOKUPS_AT_ONCE) {
      const some = rows.slice(at, at + OUTBOX_LOOKUPS_AT_ONCE);
      const found = await Promise.all(some.map((row) => isDoubtful(row) && this.#isInLog(row)));
      for (const [index, row] of some.entries()) {
        if (found[index]) outcome.published.push(row);
        else fresh.push(row);
      }
    }
    outcome.duplicates += outcome.published.length;
    return fresh;
  }

  async #isInLog({ input: { topic, id } }: OutboxRow): Promise<boolean> {
    if (!this.#mayLookUp) return false;
    try {
      return (await this.#bus.get(topic, id)) !== undefined;
    } catch (error) {
      const code = error instanceof BusError ? error.code : undefined;
      if (code === 'FORBIDDEN') this.#mayLookUp = false;
      // A malformed topic or id is not in the log; publishing says what is wrong with it.
      else if (code !== 'QUERY_INVALID' && code !== 'PATTERN_INVALID') throw error;
      return false;
    }
  }
}

/** The rest of a group waits. */
function fail(outcome: Outcome, [row]: readonly OutboxRow[], error: unknown): void {
  outcome.failure = error;
  outcome.waiting.add(row!.input.topic);
}

/** Codes of the whole bus: what fails with one of them fails on other topics too. */
const OF_THE_BUS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BUS_CLOSED',
  'CONNECTION_FAILED',
  'UNAUTHENTICATED',
  'TIMEOUT',
  'ABORTED',
]);

/** Whether rows of other topics may be published although these could not. */
export function isOfTopics({ failure, published, refused }: Outcome): boolean {
  if (published.length + refused.size > 0) return true;
  return failure instanceof BusError && !OF_THE_BUS.has(failure.code);
}

/** Whether the rows may do one by one what they could not do together. */
function isOfTheGroup(error: unknown): boolean {
  if (!(error instanceof BusError)) return false;
  const { code } = error;
  return (
    OF_THE_EVENT.has(code) ||
    code === 'CONFLICT' ||
    code === 'LIMIT_EXCEEDED' ||
    code === 'OPTION_INVALID'
  );
}

function refusal({ input: { id, topic }, fault }: OutboxRow): BusError {
  return new BusError('EVENT_INVALID', fault!, { details: { id, topic } });
}
