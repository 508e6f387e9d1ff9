import { SINK_ERROR_LENGTH_MAX, SINK_TARGET_LENGTH_MAX } from '../protocol/limits/sinks.js';
import { maskedTarget, maskedText } from '../protocol/masked-text.js';
import type { SinkFailure, SinkFigures, SinkState } from '../protocol/sink-figures.js';
import type { SinkInfo } from './sink.js';

/**
 * What figures show of a sink's `info`. That of an app's own sink may say anything: fields that are not as they should be
 * are left out, and no text shows credentials. Pure.
 */

const STATES: readonly string[] = [
  'starting',
  'running',
  'waiting',
  'stopping',
  'stopped',
  'failed',
] satisfies SinkState[];
const NAME_LENGTH_MAX = 255;
/** `2026-11-29T08:00:00.000Z`, and the same with more digits. */
const TIME_LENGTH_MAX = 40;

export function figuresOf(info: SinkInfo): Omit<SinkFigures, 'endpoint' | 'pending'> {
  const { kind, name, state, since, consumer, target, lastDoneAt, lastError, lastFailedAt } = info;
  const isKnown = STATES.includes(state);
  return {
    name: named(name),
    kind: named(kind),
    // It says nothing of itself that is known, and nothing says that it has ended.
    state: isKnown ? state : 'running',
    ...(isTime(since) && isKnown ? { since } : {}),
    done: counted(info.done),
    failed: counted(info.failed),
    restarts: 0,
    ...(typeof consumer === 'string' ? { consumer: named(consumer) } : {}),
    ...(typeof target === 'string' ? { target: maskedTarget(target, SINK_TARGET_LENGTH_MAX) } : {}),
    ...(isTime(lastDoneAt) ? { lastDoneAt } : {}),
    ...(lastError === undefined ? {} : { lastError: failureOf(lastError) }),
    ...(isTime(lastFailedAt) ? { lastFailedAt } : {}),
  };
}

/** A failure as figures show it. */
export function failureOf(error: unknown): SinkFailure {
  const { code, message } = Object(error) as {
    readonly code?: unknown;
    readonly message?: unknown;
  };
  return {
    code: typeof code === 'string' ? named(code) : 'SINK_FAILED',
    message: maskedText(textOf(message), SINK_ERROR_LENGTH_MAX),
  };
}

function named(name: unknown): string {
  return textOf(name).slice(0, NAME_LENGTH_MAX);
}

/** Not every value can become a text. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '?';
}

function counted(count: unknown): number {
  return Number.isSafeInteger(count) && Number(count) > 0 ? Number(count) : 0;
}

function isTime(time: unknown): time is string {
  return (
    typeof time === 'string' && time.length <= TIME_LENGTH_MAX && !Number.isNaN(Date.parse(time))
  );
}
