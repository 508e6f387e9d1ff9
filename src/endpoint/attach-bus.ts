import type { MessagePort } from 'node:worker_threads';
import type { TopicDefinition } from '../protocol/define-topic.js';
import { BusError } from '../protocol/errors.js';
import type { BusEndpoint } from './bus-endpoint.js';
import { Endpoint } from './endpoint.js';
import type { EndpointData } from './endpoint-data.js';
import { MainConnection } from './main-thread.js';

/** The content of `BusAttachment.data`. */
export interface AttachmentData {
  readonly millrace: 1;
  readonly endpoint: EndpointData;
  readonly services: MessagePort;
}

export interface AttachOptions {
  /** The opener's definitions again: validators are code and cannot be sent to another thread. Default: none. */
  topics?: readonly TopicDefinition[];
  /** Called for failures that no promise can carry, above all those of `tryPublish`. Default: a process warning. */
  onError?: (error: BusError) => void;
}

/**
 * Attaches this thread to a bus that another thread opened.
 *
 * @param data the `data` of `bus.attachment()`; each attachment makes one endpoint
 * @param options settings that cannot be sent between threads
 * @throws BusError `OPTION_INVALID` if `data` is anything else or was used before, `BUS_CLOSED` if the bus is closed
 */
export function attachBus(data: unknown, options: AttachOptions = {}): BusEndpoint {
  if (!isAttachment(data)) {
    throw new BusError(
      'OPTION_INVALID',
      'attachBus: not the data of bus.attachment(); hand over its data and its transferList',
    );
  }
  if (attached.has(data)) {
    throw new BusError('OPTION_INVALID', 'attachBus: this attachment is in use; make another one');
  }
  attached.add(data);
  const main = new MainConnection(data.services);
  if (main.isClosed) {
    throw new BusError('BUS_CLOSED', 'the bus that this attachment belongs to is closed');
  }
  const settings = { topics: options.topics ?? [], onError: options.onError ?? warn };
  const endpoint = new Endpoint(data.endpoint, settings, main);
  main.connect(endpoint);
  return endpoint;
}

/** Attachments that became endpoints in this thread. */
const attached = new WeakSet<AttachmentData>();

/** The default of `onError`: reports the failure as a process warning. */
export function warn(error: BusError): void {
  process.emitWarning(error.message, { type: 'MillraceWarning', code: error.code });
}

function isAttachment(data: unknown): data is AttachmentData {
  return typeof data === 'object' && data !== null && 'millrace' in data && data.millrace === 1;
}
