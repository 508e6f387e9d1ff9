import type { OpenEvent } from '../protocol/consumers.js';
import type { OpenEntry } from './consumer-shapes.js';

/** An open event of a shard, for those who ask for open events. `now`: ms since 1970. */
export function openEvent(shard: number, entry: OpenEntry, now: number): OpenEvent {
  const { untilInMs, failure, ...event } = entry;
  return {
    shard,
    ...event,
    ...(untilInMs === undefined ? {} : { until: timeText(now + untilInMs) }),
    ...(failure === undefined
      ? {}
      : {
          lastFailure: {
            cause: failure.cause,
            reason: failure.reason,
            at: timeText(now - failure.agoMs),
          },
        }),
  };
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
