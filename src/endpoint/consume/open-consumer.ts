import type { ListedConsumer, OpenConsumerRequest } from '../../link/consumer-shapes.js';
import type { Caller } from '../../link/port-calls.js';
import { assertConsumerName, parseConsumerOptions } from '../../protocol/consumer-definition.js';
import { BusError } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';

/**
 * Opens the consumer of this name in the thread that opened the bus, or makes it.
 *
 * @param options `ConsumerOptions`, which are checked here; undefined: it has to be there
 * @param onlyOver as of the request
 * @throws BusError `CONSUMER_UNKNOWN`, and as `Bus.consumer`; `CONFLICT` by `onlyOver`
 */
export async function openConsumer(
  main: Caller<'main', unknown>,
  name: string,
  options: unknown,
  onlyOver?: OpenConsumerRequest['onlyOver'],
): Promise<ListedConsumer> {
  assertConsumerName(name);
  if (options !== undefined) {
    const request = { name, ...parseConsumerOptions(options) };
    return main.call('openConsumer', onlyOver === undefined ? request : { ...request, onlyOver });
  }
  const { consumers } = await main.call('consumers', { names: [name] });
  const [consumer] = consumers;
  if (consumer !== undefined) return consumer;
  throw new BusError(
    'CONSUMER_UNKNOWN',
    `there is no consumer ${quote(name)}; whoever makes it names its filter`,
    { details: { consumer: name } },
  );
}
