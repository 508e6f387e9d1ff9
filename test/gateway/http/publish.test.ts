import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { BusError } from '../../../src/protocol/errors.js';
import {
  HTTP_BODY_BYTES_MAX,
  HTTP_LINE_BYTES_MAX,
  HTTP_LINES_PER_BATCH_MAX,
} from '../../../src/protocol/limits/http.js';
import { openHttp, principal } from './support/open-http.js';

const EVENT = { topic: 'a.b', type: 'note', payload: { x: 1 } };
const JSON_TYPE = { 'content-type': 'application/json' };
const LINES_TYPE = { 'content-type': 'application/x-ndjson' };

async function post(
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = JSON_TYPE,
) {
  const response = await fetch(`${url}/v1/events`, { method: 'POST', body, headers });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text };
}

describe('POST /v1/events', () => {
  it('publishes one event or an array of events, and returns an ack for each', async () => {
    const { url, endpoint } = await openHttp();
    const one = await post(url, JSON.stringify(EVENT));
    expect(one.status).toBe(200);
    expect(JSON.parse(one.text)).toMatchObject([{ topic: 'a.b', sequence: 1 }]);
    const many = await post(url, JSON.stringify([EVENT, { ...EVENT, topic: 'a.c' }]));
    expect(JSON.parse(many.text)).toMatchObject([{ sequence: 2 }, { topic: 'a.c', sequence: 3 }]);
    expect(endpoint.events.map(({ topic }) => topic)).toEqual(['a.b', 'a.b', 'a.c']);
    expect((await post(url, '[]')).text).toBe('[]');
  });

  it('reads durability and persistence from headers or parameters', async () => {
    const { url, endpoint } = await openHttp();
    await post(url, JSON.stringify(EVENT), { ...JSON_TYPE, 'millrace-durability': 'written' });
    expect(endpoint.published[0]!.options).toEqual({ durability: 'written' });
    await fetch(`${url}/v1/events?persist=false`, {
      method: 'POST',
      body: JSON.stringify(EVENT),
      headers: JSON_TYPE,
    });
    expect(endpoint.published[1]!.options).toEqual({ persist: false });
    const bad = await post(url, JSON.stringify(EVENT), {
      ...JSON_TYPE,
      'millrace-durability': 'perhaps',
    });
    expect(bad.status).toBe(400);
    expect(JSON.parse(bad.text)).toMatchObject({ code: 'OPTION_INVALID' });
  });

  it('publishes no event of an array with a malformed one, and gives the path of the fault', async () => {
    const { url, endpoint } = await openHttp();
    const answer = await post(url, JSON.stringify([EVENT, { ...EVENT, type: 'Bad Type' }]));
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({
      code: 'EVENT_INVALID',
      details: { path: '1.type' },
    });
    expect(endpoint.events).toEqual([]);
  });

  it.each([
    ['no JSON', '{"topic":', 'MESSAGE_INVALID', ''],
    ['empty', '', 'MESSAGE_INVALID', ''],
    ['no object', '7', 'EVENT_INVALID', ''],
    ['null', 'null', 'EVENT_INVALID', ''],
    ['without a payload', '{"topic":"a","type":"b"}', 'EVENT_INVALID', 'payload'],
    ['with a bad topic', '{"topic":"a..b","type":"b","payload":1}', 'TOPIC_INVALID', 'topic'],
    [
      'for a topic of the bus',
      '{"topic":"$sys.a","type":"b","payload":1}',
      'TOPIC_INVALID',
      'topic',
    ],
    ['with an unknown field', '{"topic":"a","type":"b","payload":1,"x":1}', 'EVENT_INVALID', 'x'],
    [
      'with __proto__',
      '{"topic":"a","type":"b","payload":1,"__proto__":{}}',
      'EVENT_INVALID',
      '__proto__',
    ],
    ['too deep', `${'['.repeat(100)}${']'.repeat(100)}`, 'MESSAGE_INVALID', ''],
    ['a million deep', '['.repeat(1_000_000), 'MESSAGE_INVALID', ''],
  ])('refuses a body that is %s with the path of its fault', async (_, body, code, path) => {
    const { url, endpoint } = await openHttp();
    const answer = await post(url, body);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({ code, details: { path } });
    expect(endpoint.events).toEqual([]);
  });

  it('refuses a body that is not UTF-8', async () => {
    const { url } = await openHttp();
    const answer = await post(url, Buffer.from([0x22, 0xff, 0xfe, 0x22]));
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text).message).toContain('UTF-8');
  });

  it.each([
    ['content-type', 'application/x-www-form-urlencoded'],
    ['content-type', 'text/plain'],
    ['content-type', 'application/cloudevents+avro'],
    ['content-type', 'application/json; charset=latin1'],
    ['content-encoding', 'gzip'],
  ])('refuses %s %s with 415', async (header, value) => {
    const { url } = await openHttp();
    const answer = await post(url, JSON.stringify(EVENT), { ...JSON_TYPE, [header]: value });
    expect(answer.status).toBe(415);
    expect(JSON.parse(answer.text).code).toBe('MESSAGE_INVALID');
  });

  it('refuses a body that is too large, and the client gets the answer', async () => {
    const { url } = await openHttp();
    const announced = await post(url, Buffer.alloc(HTTP_BODY_BYTES_MAX + 1, 0x20));
    expect(announced.status).toBe(413);
    const { response, upload } = openUpload(url, JSON_TYPE);
    upload.write(Buffer.alloc(HTTP_BODY_BYTES_MAX, 0x20));
    upload.write('  ');
    expect((await response).statusCode).toBe(413);
    upload.destroy();
  });
});

describe('an NDJSON body', () => {
  it('is published in order, with an ack for each line', async () => {
    const { url, endpoint } = await openHttp();
    const lines = Array.from({ length: 3000 }, (_, n) => JSON.stringify({ ...EVENT, payload: n }));
    const answer = await post(url, `${lines.join('\r\n')}`, LINES_TYPE);
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
    const acks = answer.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(acks.map(({ sequence }) => sequence)).toEqual(lines.map((_, n) => n + 1));
    expect(endpoint.events.map(({ payload }) => payload)).toEqual(lines.map((_, n) => n));
  });

  it('is answered with an array on demand, and with an empty answer if it is empty', async () => {
    const { url } = await openHttp();
    const asArray = { ...LINES_TYPE, accept: 'application/json' };
    const answer = await post(url, `${JSON.stringify(EVENT)}\n\n${JSON.stringify(EVENT)}`, asArray);
    expect(JSON.parse(answer.text)).toHaveLength(2);
    expect((await post(url, '\n\n', asArray)).text).toBe('[]');
    expect(await post(url, '', LINES_TYPE)).toMatchObject({ status: 200, text: '' });
  });

  it('is published up to a faulty line, and the answer names that line', async () => {
    const { url, endpoint } = await openHttp();
    const good = JSON.stringify(EVENT);
    const answer = await post(url, `${good}\n${good}\n\n{"topic":"a"}\n${good}\n`, LINES_TYPE);
    expect(answer.status).toBe(200);
    const lines = answer.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { sequence: 1 },
      { sequence: 2 },
      { error: { code: 'EVENT_INVALID', status: 400, details: { line: 4, path: 'type' } } },
    ]);
    expect(endpoint.events).toHaveLength(2);
  });

  it('is answered with the numbers of the stored lines if only a part is stored', async () => {
    const { url, endpoint } = await openHttp();
    const take = endpoint.publishMany.bind(endpoint);
    let batches = 0;
    endpoint.publishMany = async (inputs, options) => {
      if (batches++ === 0) return take(inputs, options);
      const details = { index: 1, failed: 2, acks: [], stored: [0], unknown: [inputs.length - 1] };
      throw new BusError('PUBLISH_UNKNOWN', 'cut off', { details });
    };
    const lines = `${JSON.stringify(EVENT)}\n\n`.repeat(HTTP_LINES_PER_BATCH_MAX + 2);
    const answer = await post(url, lines, LINES_TYPE);
    const { error } = JSON.parse(answer.text.trim().split('\n').at(-1)!);
    const { line, lastLine, stored, unknown } = error.details;
    // Every other line is empty.
    expect(line).toBe(2 * endpoint.events.length + 1);
    expect(lastLine).toBeGreaterThan(line);
    expect({ stored, unknown }).toEqual({ stored: [line], unknown: [lastLine] });
  });

  it('is answered with the status of its fault if no line was acknowledged before', async () => {
    const { url } = await openHttp();
    const answer = await post(url, 'nonsense\n', LINES_TYPE);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({ details: { line: 1 } });
    const long = await post(url, 'x'.repeat(HTTP_LINE_BYTES_MAX + 1), LINES_TYPE);
    expect(long.status).toBe(413);
  });

  it('is read only up to the limit while the bus takes no events, whatever its length', async () => {
    const { url, endpoint, server } = await openHttp();
    let open: () => void = () => {};
    endpoint.gate = new Promise((resolve) => {
      open = resolve;
    });
    let bytesRead = (): number => 0;
    server.on('connection', (socket) => {
      bytesRead = () => socket.bytesRead;
    });
    const { response, upload } = openUpload(url, LINES_TYPE);
    const piece = `${JSON.stringify({ ...EVENT, payload: 'x'.repeat(1000) })}\n`.repeat(1000);
    const pieces = 40;
    let left = pieces;
    // Sends 40 MB as fast as the server takes them.
    const send = (): void => {
      while (left > 0) {
        left--;
        if (!upload.write(piece)) {
          upload.once('drain', send);
          return;
        }
      }
      upload.end();
    };
    send();
    const answered = response.then(async (answer) => {
      let count = 0;
      answer.setEncoding('utf8');
      for await (const text of answer) count += String(text).split('\n').length - 1;
      return count;
    });
    // The number of bytes stays the same once the server has stopped reading.
    let before = -1;
    while (before !== bytesRead() || before < 100_000) {
      before = bytesRead();
      await turns(200);
    }
    const inFlight = endpoint.published.reduce((sum, { inputs }) => sum + inputs.length, 0);
    expect(inFlight).toBeLessThanOrEqual(HTTP_LINES_PER_BATCH_MAX);
    expect(before).toBeLessThan(8 * 1024 * 1024);
    open();
    expect(await answered).toBe(pieces * 1000);
    expect(endpoint.events).toHaveLength(pieces * 1000);
    for (const { inputs } of endpoint.published) {
      expect(inputs.length).toBeLessThanOrEqual(HTTP_LINES_PER_BATCH_MAX);
    }
  });

  it('is refused at a line that its principal may not publish; the source is forced', async () => {
    const held = principal({ mayPublish: (topic) => topic.startsWith('a.'), forcedSource: 'me' });
    const { url, endpoint } = await openHttp({ principals: { t: held } });
    const body = `${JSON.stringify({ ...EVENT, source: 'you' })}\n${JSON.stringify({ ...EVENT, topic: 'b' })}`;
    const answer = await post(url, body, { ...LINES_TYPE, authorization: 'Bearer t' });
    expect(answer.text).toContain('"code":"FORBIDDEN"');
    expect(endpoint.events).toMatchObject([{ topic: 'a.b', source: 'me' }]);
    const all = await post(url, JSON.stringify([EVENT, { ...EVENT, topic: 'b' }]), {
      ...JSON_TYPE,
      authorization: 'Bearer t',
    });
    expect(all.status).toBe(403);
    expect(endpoint.events).toHaveLength(1);
  });
});

function openUpload(
  url: string,
  headers: Record<string, string>,
): { response: Promise<IncomingMessage>; upload: ClientRequest } {
  const upload = request(`${url}/v1/events`, { method: 'POST', headers, agent: false });
  upload.on('error', () => {});
  const response = once(upload, 'response').then(([answer]) => answer as IncomingMessage);
  return { response, upload };
}

/** Waits for so many turns of the event loop, in which sockets are read and written. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
