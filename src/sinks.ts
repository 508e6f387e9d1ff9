/** Millrace's sinks: programs that run on consumers, or feed a bus, each by one call. */

export { BusError, type ErrorCode, type ErrorData } from './protocol/errors.js';
export type { Sink, SinkBus, SinkInfo, SinkOptions, SinkState } from './sinks/sink.js';
