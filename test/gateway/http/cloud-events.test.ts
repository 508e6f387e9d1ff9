import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { CloudEvent, type CloudEventV1, HTTP } from 'cloudevents';
import { describe, expect, it } from 'vitest';
import { fromCloudEvent } from '../../../src/gateway/http/cloud-events.js';
import { cloudEventText } from '../../../src/protocol/cloud-event.js';
import type { Event } from '../../../src/protocol/event.js';
import { openHttp } from './support/open-http.js';

const GIVEN = {
  id: 'A234-1234-1234',
  source: '/github/hooks',
  type: 'com.github.pullRequest.opened',
  subject: 'github.pulls',
  time: '2026-01-31T12:00:00.000Z',
  data: { number: 7, title: 'Ü' },
  correlationid: 'run 1 %',
  agentid: '7',
};

type Message = ReturnType<typeof HTTP.structured<unknown>>;

async function send(url: string, { headers, body }: Message) {
  const response = await fetch(`${url}/v1/events`, {
    method: 'POST',
    headers: headers as Record<string, string>,
    body: body as string,
  });
  return { status: response.status, body: (await response.json()) as never };
}

describe('CloudEvents, as their SDK writes and reads them', () => {
  it.each(['structured', 'binary'] as const)('are not changed by the bus: %s', async (mode) => {
    const { url, endpoint } = await openHttp();
    const sent = new CloudEvent(GIVEN);
    expect((await send(url, HTTP[mode](sent))).status).toBe(200);
    expect(endpoint.events).toMatchObject([
      {
        id: GIVEN.id,
        topic: 'github.pulls',
        type: GIVEN.type,
        source: '/github/hooks',
        payload: GIVEN.data,
        correlationId: 'run 1 %',
        attributes: { agentid: '7' },
      },
    ]);
    const headers = { accept: 'application/cloudevents+json' };
    const response = await fetch(`${url}/v1/events?topic=*&limit=1`, { headers });
    const body = await response.text();
    const got = HTTP.toEvent({ headers: Object.fromEntries(response.headers), body }) as CloudEvent;
    expect(got.validate()).toBe(true);
    // The test's bus sets a time of its own.
    expect(got).toMatchObject({ ...GIVEN, time: expect.any(String) });
  });

  it('are published in batches, all or none, and are read in batches', async () => {
    const { url, endpoint } = await openHttp();
    const batch = [1, 2].map((n) => new CloudEvent({ ...GIVEN, id: `e${n}` }));
    const headers = { 'content-type': 'application/cloudevents-batch+json' };
    const post = (body: unknown) => send(url, { headers, body: JSON.stringify(body) });
    expect(await post(batch)).toMatchObject({ status: 200, body: [{}, {}] });
    const bad = await post([batch[0], { ...GIVEN, specversion: '0.3' }]);
    expect(bad).toMatchObject({ status: 400, body: { details: { path: '1.specversion' } } });
    expect(endpoint.events).toHaveLength(2);
    const type = 'application/cloudevents-batch+json';
    const response = await fetch(`${url}/v1/events?topic=*`, { headers: { accept: type } });
    expect(response.headers.get('content-type')).toBe(type);
    const got = HTTP.toEvent({ headers: { 'content-type': type }, body: await response.text() });
    expect((got as CloudEventV1<unknown>[]).map(({ subject }) => subject)).toEqual([
      'github.pulls',
      'github.pulls',
    ]);
  });

  it('may get their topic from the URL', async () => {
    const { url, endpoint } = await openHttp();
    const { subject: _, ...rest } = GIVEN;
    const { headers, body } = HTTP.binary(new CloudEvent(rest));
    const post = (query: string) =>
      fetch(`${url}/v1/events${query}`, {
        method: 'POST',
        headers: headers as Record<string, string>,
        body: body as string,
      });
    expect(await (await post('')).json()).toMatchObject({ details: { path: 'subject' } });
    expect((await post('?topic=hooks.github')).status).toBe(200);
    expect(endpoint.events).toMatchObject([{ topic: 'hooks.github' }]);
  });

  it.each([
    [{ specversion: '1.0' }, 'id'],
    [{ ...GIVEN, specversion: '1.0', source: 7 }, 'source'],
    [{ ...GIVEN, specversion: '1.0', id: 'a/b' }, 'id'],
    [{ ...GIVEN, specversion: '1.0', type: 'a b' }, 'type'],
    [{ ...GIVEN, specversion: '1.0', time: 'noon' }, 'timestamp'],
    [{ ...GIVEN, specversion: '1.0', time: '2026-02-30T00:00:00+01:00' }, 'timestamp'],
    [{ ...GIVEN, specversion: '1.0', extra: {} }, 'extra'],
    [{ ...GIVEN, specversion: '1.0', agentId: '7' }, 'agentId'],
    [{ ...GIVEN, specversion: '1.0', data_base64: 'AA==' }, 'data_base64'],
    [{ ...GIVEN, specversion: '1.0', millracenames: '[' }, 'millracenames'],
    [7, ''],
  ])('are refused with the path of their fault', async (body, path) => {
    const { url, endpoint } = await openHttp();
    const headers = { 'content-type': 'application/cloudevents+json' };
    const answer = await send(url, { headers, body: JSON.stringify(body) });
    expect(answer).toMatchObject({ status: 400, body: { details: { path } } });
    expect(endpoint.events).toEqual([]);
  });

  it('are refused in binary mode if the data is not JSON or a header not UTF-8', async () => {
    const { url } = await openHttp();
    const headers = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': 's', 'ce-type': 't' };
    const text = await send(url, {
      headers: { ...headers, 'content-type': 'text/plain' },
      body: 'x',
    });
    expect(text.status).toBe(415);
    const bad = await send(url, {
      headers: { ...headers, 'content-type': 'application/json', 'ce-subject': 'a%ff' },
      body: '1',
    });
    expect(bad).toMatchObject({ status: 400, body: { details: { path: 'subject' } } });
  });
});

describe('an extension of a CloudEvent', () => {
  it('is kept as text, and refused if the text would differ from its value', () => {
    const made = (fields: object) =>
      fromCloudEvent({ ...GIVEN, specversion: '1.0', ...fields }, '');
    expect(made({ n: 2 ** 31, b: true }).attributes).toMatchObject({ n: '2147483648', b: 'true' });
    expect(made({ correlationid: 7 }).correlationId).toBe('7');
    for (const bad of [JSON.parse('9007199254740993'), JSON.parse('1e400'), {}, []]) {
      for (const name of ['n', 'correlationid', 'causationid']) {
        expect(() => made({ [name]: bad }), name).toThrow(name);
      }
    }
  });
});

describe('the text of a header in binary mode', () => {
  /** Publishes an event whose header has exactly these bytes, which `fetch` cannot send. */
  async function note(port: number, bytes: Buffer): Promise<number> {
    const headers = {
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': 'e1',
      'ce-source': '/s',
      'ce-type': 'note',
      'ce-subject': 'a.b',
      'ce-note': bytes.toString('latin1'),
    };
    const sent = request({ port, path: '/v1/events', method: 'POST', headers });
    // With a body of text, Node would send head and body as one string, and encode the headers as UTF-8.
    sent.end(Buffer.from('1'));
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    response.resume();
    return response.statusCode!;
  }

  it('is read as UTF-8 if it is valid, percent-encoded or raw, and else as ISO-8859-1', async () => {
    const { port, endpoint } = await openHttp();
    const texts = ['naïve', 'na%C3%AFve', '"a \\"b\\" €"', '漢字', '50%'];
    for (const text of texts) expect(await note(port, Buffer.from(text))).toBe(200);
    expect(await note(port, Buffer.from('naïve', 'latin1'))).toBe(200);
    const notes = endpoint.events.map(({ attributes }) => attributes?.note);
    expect(notes).toEqual(['naïve', 'naïve', 'a "b" €', '漢字', '50%', 'naïve']);
  });
});

describe('an event', () => {
  const event: Event = {
    id: 'e1',
    topic: 'a.b',
    type: 'agent_log',
    payload: null,
    source: 'my scanner',
    timestamp: '2026-01-31T12:00:00.000Z',
    causationId: 'e0',
    attributes: { agentId: '7', agentid: '8', 'x y': '9', id: '10', ü: '11', data: '12' },
    shard: 0,
    sequence: 2 ** 40,
  };

  it('is the same after a conversion to a CloudEvent and back, whatever its attributes are called', () => {
    const made = JSON.parse(cloudEventText(event));
    expect(new CloudEvent(made).validate()).toBe(true);
    expect(made).toMatchObject({ sequence: String(2 ** 40), source: 'my%20scanner', agentid: '8' });
    const { shard: _, sequence: __, ...input } = event;
    expect(fromCloudEvent(JSON.parse(JSON.stringify(made)), '')).toEqual({
      ...input,
      source: 'my%20scanner',
    });
  });

  it('may have a time of any zone', () => {
    const time = '2026-01-31T14:00:00+02:00';
    const value = { ...GIVEN, specversion: '1.0', time };
    expect(fromCloudEvent(value, '').timestamp).toBe('2026-01-31T12:00:00.000Z');
  });
});
