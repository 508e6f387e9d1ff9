import { describe, expect, test } from 'vitest';
import { payloadText, withPayloadText } from '../../dist/client.js';
import { openTestBus } from '../bus/support/open.js';
import { connectTo } from './support/millrace-client.js';

const input = (topic: string) => ({ topic, type: 'note', payload: { topic, card: '4711' } });

describe('an event by its id, over a connection', () => {
  test('is found on its topic, by a pattern or by its source, or is undefined', async () => {
    const bus = await openTestBus({ shards: 3 });
    const { client } = connectTo((await bus.serve({ port: 0 })).url);
    const { id, shard, sequence } = await client.publish({ ...input('a.1'), source: 'x' });
    const expected = { ...input('a.1'), id, shard, sequence, source: 'x' };
    for (const topic of ['a.1', 'a.*', '*', ['b', 'a.+']]) {
      expect(await client.get(topic, id)).toMatchObject(expected);
    }
    expect(await client.get('a.*', id, { source: 'x' })).toMatchObject(expected);
    expect(await client.get('a.*', id, { source: 'y' })).toBeUndefined();
    expect(await client.get('a.2', id)).toBeUndefined();
    await expect(client.get('a', 'a b')).rejects.toMatchObject({ code: 'QUERY_INVALID' });
    // Passed over, an option that is misspelt would find what was not asked for.
    const misspelt = { sources: 'y' } as object;
    await expect(client.get('a.*', id, misspelt)).rejects.toMatchObject({
      code: 'MESSAGE_INVALID',
    });
  });

  test('keeps the payload as its sender wrote it', async () => {
    const bus = await openTestBus();
    const { url } = await bus.serve({ port: 0 });
    const text = '{"id":9007199254740993,"price":1.10,"many":1e400,"key":1,"key":2}';
    await fetch(`${url}/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"id":"one","topic":"a.1","type":"note","payload":${text}}`,
    });
    const { client } = connectTo(url);
    const event = await client.get('a.1', 'one');
    expect(payloadText(event!)).toBe(text);
    // Of a page of events the texts are kept on demand.
    const [again] = await client.query({ topic: 'a.1' });
    expect(payloadText(again!)).toBe(JSON.stringify(again!.payload));
    const [exact] = await client.query({ topic: 'a.1' }, { keepPayloadText: true });
    expect(payloadText(exact!)).toBe(text);
    for await (const one of client.read({ topic: 'a.1' }, { keepPayloadText: true })) {
      expect(payloadText(one)).toBe(text);
    }
  });

  test('is published with a payload given as text, and every digit of it', async () => {
    const bus = await openTestBus();
    const { client } = connectTo((await bus.serve({ port: 0 })).url);
    const text = '{"id":9007199254740993,"price":1.10,"many":1e400,"zero":-0,"key":1,"key":2}';
    const fields = { topic: 'a.1', type: 'note' };
    const whole = withPayloadText(
      { ...fields, id: 'one' },
      `\n ${text.replaceAll(',', ',\n  ')}\n`,
    );
    expect(whole.payload).toMatchObject({ price: 1.1, key: 2 });
    const other = { ...whole, id: 'two', payload: 'another' };
    await client.publishMany([whole, other]);
    expect(payloadText((await client.get('a.1', 'one'))!)).toBe(text);
    expect(payloadText((await client.get('a.1', 'two'))!)).toBe('"another"');
    await client.publish({ ...withPayloadText(fields, '[1]'), id: 'three' });
    expect(await client.get('a.1', 'three')).toMatchObject({ payload: [1] });
    expect(() => withPayloadText(fields, '{"a":\n}')).toThrow('line 2, column 1');
    const large = withPayloadText(fields, `"${'x'.repeat(2 ** 21)}"`);
    await expect(client.publish(large)).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
  });

  test('is the newest that the client may read, with its values masked; others are not found', async () => {
    const bus = await openTestBus({ shards: 3 });
    for (const topic of ['a.1', 'secret.1']) await bus.publish({ ...input(topic), id: 'one' });
    await bus.publish({ ...input('secret.2'), id: 'two' });
    const subscribe = [{ pattern: 'a.*', redact: ['$.card'] }];
    const { url } = await bus.serve({ port: 0, auth: { anonymous: { subscribe } } });
    const { client } = connectTo(url);
    for (const topic of ['*', 'a.*', ['secret.1', 'a.1']]) {
      const event = await client.get(topic, 'one');
      expect(event).toMatchObject({ topic: 'a.1', payload: { topic: 'a.1', card: '[redacted]' } });
    }
    for (const topic of ['*', 'secret.2', 'secret.*', 'b']) {
      expect(await client.get(topic, 'two')).toBeUndefined();
    }
    const answers = ['one', 'two', 'absent'].map(async (id) => {
      const response = await fetch(`${url}/v1/events/${id}?topic=secret.*`);
      return [response.status, (await response.text()).replace(id, '')];
    });
    const [one, two, absent] = await Promise.all(answers);
    expect([one, two]).toEqual([absent, absent]);
  });
});
