import { BusError } from '../../protocol/errors.js';
import type { PatternTotals, PruneStep, RetentionRule } from '../pruning.js';
import type { ShardPruning } from '../shard-log.js';
import type { TrimLimits } from './log-stream.js';

/** Retention of a shared log: it has the broker remove the oldest events, whatever their topics. */
export class StreamPruning implements ShardPruning {
  readonly #limits: TrimLimits;
  readonly #trim: (limits: TrimLimits) => Promise<boolean>;
  readonly #onError: (error: unknown) => void;
  #isTrimming = false;

  /** @throws BusError `OPTION_INVALID` naming what a rule asks for that the broker cannot do */
  constructor(
    rules: readonly RetentionRule[],
    trim: (limits: TrimLimits) => Promise<boolean>,
    onError: (error: unknown) => void,
  ) {
    this.#limits = limitsOf(rules);
    this.#trim = trim;
    this.#onError = onError;
  }

  /** Begins what is due, and does not wait for it. */
  pruneStep(): boolean {
    if (this.#isTrimming) return false;
    this.#isTrimming = true;
    this.#trimAll()
      .catch((error) => {
        // A broker that takes no writes takes none that make room either; the next step asks it again.
        const isFull = error instanceof BusError && error.code === 'STORE_FULL';
        if (!isFull) this.#onError(error);
      })
      .finally(() => {
        this.#isTrimming = false;
      });
    return false;
  }

  totals(): PatternTotals {
    throw notOnRequest();
  }

  prune(): PruneStep {
    throw notOnRequest();
  }

  async #trimAll(): Promise<void> {
    while (await this.#trim(this.#limits));
  }
}

function limitsOf(rules: readonly RetentionRule[]): TrimLimits {
  const refuse = (option: string): never => {
    throw new BusError(
      'OPTION_INVALID',
      `retention.${option}: the store of this bus removes events of all topics alike, by maxAgeMs, maxEvents and maxBytes`,
      { details: { setting: `retention.${option}` } },
    );
  };
  for (const { pattern = '*', keepPerTopic, untilConsumedBy } of rules) {
    if (pattern !== '*') refuse('pattern');
    if (keepPerTopic !== undefined) refuse('keepPerTopic');
    if (untilConsumedBy !== undefined) refuse('untilConsumedBy');
  }
  const least = (name: 'maxAgeMs' | 'maxEvents' | 'maxBytes'): TrimLimits => {
    const given = rules.flatMap((rule) => rule[name] ?? []);
    return given.length === 0 ? {} : { [name]: Math.min(...given) };
  };
  return { ...least('maxAgeMs'), ...least('maxEvents'), ...least('maxBytes') };
}

function notOnRequest(): BusError {
  const message =
    'the store of this bus removes events by the rules of retention, and not on request';
  return new BusError('OPTION_INVALID', message);
}
