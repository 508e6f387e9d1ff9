import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Consumer } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';
import type { Sink, SinkBus } from '../../sinks/sink.js';
import type { SinkModule } from '../../sinks/sink-module.js';
import { SINK_KINDS } from './sink-kinds.js';
import type { SinkSection } from './sink-sections.js';

/**
 * Makes the sink of a section, and its consumer. The file says what the consumer is: a definition that has changed since is
 * carried out.
 *
 * @throws BusError, and anything that the module of an app's own sink throws
 */
export async function startSink(
  { name, kind, consumer, module, options }: SinkSection,
  bus: SinkBus,
  signal: AbortSignal,
  onError: (error: BusError) => void,
): Promise<Sink> {
  const opened: Consumer | undefined =
    consumer && (await bus.consumer(consumer.name, { ...consumer.options, update: true }));
  if (module === undefined) {
    return SINK_KINDS[kind]!.start({ ...options(), name, signal, onError, consumer: opened! });
  }
  const make = await load(module);
  const context = { name, bus, options: options(), signal, onError };
  const sink = await make(opened === undefined ? context : { ...context, consumer: opened });
  if (isSink(sink)) return sink;
  throw new BusError('OPTION_INVALID', `${module}: the default export returned no sink`);
}

async function load(module: string): Promise<SinkModule> {
  const { default: make } = (await import(pathToFileURL(resolve(module)).href)) as {
    default?: unknown;
  };
  if (typeof make === 'function') return make as SinkModule;
  const message = `${module}: its default export is ${quote(make)}, and should be a function`;
  throw new BusError('OPTION_INVALID', message);
}

function isSink(value: unknown): value is Sink {
  const { stop, info, closed } = Object(value) as Partial<Sink>;
  return typeof stop === 'function' && typeof info === 'function' && closed instanceof Promise;
}
