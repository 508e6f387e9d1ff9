import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { ListInBroker } from '../../../src/main/consumers/shared/list-in-broker.js';
import { OwnerLine, type ServeCall } from '../../../src/main/consumers/shared/owner-line.js';
import { BusError } from '../../../src/protocol/errors.js';
import { MIB } from '../../../src/protocol/limits/units.js';
import type { ConsumerBroker } from '../../../src/store/consumer-broker.js';
import { until } from '../../bus/support/wait.js';
import { openingOf } from '../../testing/consumer-broker-checks.js';
import { memoryBroker } from '../../testing/subjects.js';

const NOBODY: ServeCall = () => undefined;
const NEVER = new AbortController().signal;

const opening = () =>
  openingOf({
    create() {
      const broker = memoryBroker({ shards: 2, consumers: true });
      return { store: broker.connect(), dispose: () => broker.close() };
    },
  });

async function lineOn(broker: ConsumerBroker, node: string, serve = NOBODY): Promise<OwnerLine> {
  const line = new OwnerLine(broker, node, serve);
  onTestFinished(() => line.stop());
  await line.begin();
  return line;
}

describe('calls about consumers between nodes', () => {
  const served: unknown[] = [];
  const serve: ServeCall = async (name, request) => {
    served.push([name, request]);
    if (name === 'refused') throw new BusError('CONSUMER_UNKNOWN', 'there is none');
    return { of: request };
  };
  afterEach(() => {
    served.length = 0;
  });

  it('are answered by the node that was asked, with what it says or refuses', async () => {
    const open = await opening();
    const one = await lineOn(await open(), 'one');
    await lineOn(await open(), 'other', serve);
    expect(await one.ask('other', 'list', ['a', null], NEVER)).toEqual({ of: ['a', null] });
    await expect(one.ask('other', 'refused', [], NEVER)).rejects.toMatchObject({
      code: 'CONSUMER_UNKNOWN',
      message: 'there is none',
    });
  });

  it('and their answers may be as long as a list of thousands', async () => {
    const open = await opening();
    const one = await lineOn(await open(), 'one');
    await lineOn(await open(), 'other', serve);
    const long = 'ß"'.repeat(MIB / 2);
    expect(await one.ask('other', 'list', [long], NEVER)).toEqual({ of: [long] });
  });

  it('are made once, though they are asked again until the answer comes', async () => {
    const open = await opening();
    const broker = await open();
    let lost = 3;
    const lossy: ConsumerBroker = {
      ...{ messageBytesMax: broker.messageBytesMax, close: () => broker.close() },
      journal: (shard) => broker.journal(shard),
      text: (name) => broker.text(name),
      listen: (address, onMessage) => broker.listen(address, onMessage),
      send: (address, message) => {
        if (lost-- <= 0) broker.send(address, message);
      },
    };
    const one = await lineOn(await open(), 'one');
    await lineOn(lossy, 'other', serve);
    expect(await one.ask('other', 'list', [7], NEVER)).toEqual({ of: [7] });
    expect(served).toEqual([['list', [7]]]);
  });

  it('end when nobody is to be waited for any more', async () => {
    const one = await lineOn(await (await opening())(), 'one');
    const over = new AbortController();
    const asked = one.ask('nobody', 'list', [], over.signal);
    over.abort(new Error('over'));
    await expect(asked).rejects.toThrow('over');
  });

  it('are not disturbed by messages of others', async () => {
    const open = await opening();
    const broker = await open();
    const one = await lineOn(await open(), 'one');
    await lineOn(await open(), 'other', serve);
    const texts = ['', 'no json', 'null', '7', '{"of":"x","at":0,"count":1,"text":"null"}'];
    const asking = { of: 'y', at: 0, count: 1, text: '{"ask":"z","from":"one","name":"list"}' };
    for (const text of [...texts, JSON.stringify(asking)]) broker.send('other', Buffer.from(text));
    expect(await one.ask('other', 'list', [1], NEVER)).toEqual({ of: [1] });
    expect(served).toEqual([['list', [1]]]);
  });
});

describe('the list of consumers in a broker', () => {
  it('is taken from the owner of before, who can replace it no more and learns of it', async () => {
    const open = await opening();
    const lost: string[] = [];
    const listOf = async (name: string) =>
      ListInBroker.open((await open()).text('list'), () => lost.push(name));
    const one = await listOf('one');
    expect(one.read()).toBeUndefined();
    await one.write('of one');
    const other = await listOf('other');
    expect(other.read()).toBe('of one');
    await expect(one.write('too late')).rejects.toMatchObject({ code: 'SHARD_RESTARTED' });
    expect(lost).toEqual(['one']);
    await other.write('of other');
    await until('it is there', async () => (await listOf('last')).read() === 'of other');
  });
});
