import type { SinkList } from '../protocol/sink-figures.js';
import { by } from './call.js';
import { fields, isList, isNull, isNumber } from './shapes.js';

const isSinkList = fields<SinkList>({
  count: isNumber,
  failed: isNumber,
  waiting: isNumber,
  list: isList,
});

/** The calls by which the threads that run sinks note their figures with main, and every thread learns them. */
export const SINK_CALLS = {
  noteSinks: by('main', fields<{ readonly sinks: SinkList }>({ sinks: isSinkList }), isNull),
  notedSinks: by(
    'main',
    fields<Record<never, never>>({}),
    fields<{ readonly sinks: SinkList }>({ sinks: isSinkList }),
  ),
} as const;
