import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { TopicDefinition } from '../protocol/define-topic.js';
import { BusError } from '../protocol/errors.js';
import type { BusEndpoint } from './bus-endpoint.js';
import { Endpoint, type EndpointData } from './endpoint.js';
import { ServicesProxy, saysClosed } from './services.js';

/** What an attachment is inside. */
export interface AttachmentData {
  readonly millrace: 1;
  readonly endpoint: EndpointData;
  readonly services: MessagePort;
}

export interface AttachOptions {
  /** Validators are code and do not travel: the same definitions as the opener's, if it has any. */
  topics?: readonly TopicDefinition[];
  /** As in `openBus`. */
  onError?: (error: BusError) => void;
}

/**
 * Attaches this thread to a bus that another thread opened. `data` is that of `bus.attachment()`, handed over once:
 * each attachment makes one endpoint.
 * @throws BusError `OPTION_INVALID` if it is anything else, or was used before
 */
export function attachBus(data: unknown, options: AttachOptions = {}): BusEndpoint {
  if (!isAttachment(data)) {
    throw new BusError('OPTION_INVALID', 'attachBus: not the data of bus.attachment()');
  }
  if (attached.has(data)) {
    throw new BusError('OPTION_INVALID', 'attachBus: this attachment is in use; make another one');
  }
  attached.add(data);
  const told = toldBefore(data.services);
  if (told.some(saysClosed)) {
    throw new BusError('BUS_CLOSED', 'the bus that this attachment belongs to is closed');
  }
  const settings = { topics: options.topics ?? [], onError: options.onError ?? warn };
  return new Endpoint(
    data.endpoint,
    settings,
    (listener) => new ServicesProxy(data.services, listener, told),
  );
}

/** Attachments that became endpoints in this thread. */
const attached = new WeakSet<AttachmentData>();

/** What main has told since the attachment was made: shards may have been replaced, the bus may be closed. */
function toldBefore(services: MessagePort): unknown[] {
  const messages: unknown[] = [];
  for (let told = receiveMessageOnPort(services); told; told = receiveMessageOnPort(services)) {
    messages.push(told.message);
  }
  return messages;
}

/** The default of `onError`: a failure that nobody is told of must at least be seen. */
export function warn(error: BusError): void {
  process.emitWarning(error.message, { type: 'MillraceWarning', code: error.code });
}

function isAttachment(data: unknown): data is AttachmentData {
  return typeof data === 'object' && data !== null && 'millrace' in data && data.millrace === 1;
}
