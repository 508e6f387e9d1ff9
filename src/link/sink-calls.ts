import type { SinkFigures } from '../protocol/sink-figures.js';
import { by } from './call.js';
import { fields, isList, isNull } from './shapes.js';

/** The calls by which the thread that runs sinks notes their figures with main, and gateways learn them. */
export const SINK_CALLS = {
  noteSinks: by(
    'main',
    fields<{ readonly sinks: readonly SinkFigures[] }>({ sinks: isList }),
    isNull,
  ),
  notedSinks: by(
    'main',
    fields<Record<never, never>>({}),
    fields<{ readonly sinks: readonly SinkFigures[] }>({ sinks: isList }),
  ),
} as const;
