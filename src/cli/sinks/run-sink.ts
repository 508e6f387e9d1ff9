import { BusError } from '../../protocol/errors.js';
import type { Sink, SinkBus } from '../../sinks/sink.js';
import type { SinkModule } from '../../sinks/sink-module.js';
import { moduleExports } from './module-exports.js';
import { SINK_KINDS } from './sink-kinds.js';
import type { SinkSection } from './sink-sections.js';
import type { SinkStart } from './sink-start.js';

/**
 * Makes the sink of a section, and its consumer. The file says what the consumer is: a definition that has changed since is
 * carried out.
 *
 * @throws BusError, and anything that the module of an app's own sink throws
 */
export async function startSink(
  { name, place, kind, consumer, module, options }: SinkSection,
  bus: SinkBus,
  signal: AbortSignal,
  onError: (error: BusError) => void,
): Promise<Sink> {
  const opened =
    consumer && (await bus.consumer(consumer.name, { ...consumer.options, update: true }));
  const start: SinkStart = {
    ...{ name, place, bus, options: options(), signal, onError },
    ...(opened === undefined ? {} : { consumer: opened }),
    ...(module === undefined ? {} : { module }),
  };
  const known = SINK_KINDS[kind];
  return known === undefined ? startOwn(start) : known.start(start);
}

async function startOwn({ module, place, ...context }: SinkStart): Promise<Sink> {
  const exports = await moduleExports(module!, place);
  const make = exports.optional<SinkModule>('default') ?? exports.refuse('default');
  const sink = await make(context);
  if (isSink(sink)) return sink;
  throw new BusError(
    'OPTION_INVALID',
    `${place}.module: ${module}: the default export returned no sink`,
  );
}

function isSink(value: unknown): value is Sink {
  const { stop, info, closed } = Object(value) as Partial<Sink>;
  return typeof stop === 'function' && typeof info === 'function' && closed instanceof Promise;
}
