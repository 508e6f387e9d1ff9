import { describe, expect, it } from 'vitest';
import { openHttp, principal } from './support/open-http.js';

async function filled(given: Parameters<typeof openHttp>[0] = {}) {
  const http = await openHttp(given);
  for (const topic of ['a.1', 'a.2', 'secret.1']) {
    await http.endpoint.publish({ topic, type: 'note', payload: { topic, card: '4711' } });
  }
  return http;
}

describe('GET /v1/events/{id}', () => {
  it('returns the event by topic, by pattern, or among all topics', async () => {
    const { url } = await filled();
    for (const query of ['', '?topic=a.2', '?topic=a.*', '?topic=b&topic=a.+']) {
      const response = await fetch(`${url}/v1/events/e2${query}`);
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ id: 'e2', topic: 'a.2', sequence: 2 });
    }
    const headers = { accept: 'application/cloudevents+json' };
    const response = await fetch(`${url}/v1/events/e2`, { headers });
    expect(response.headers.get('content-type')).toBe('application/cloudevents+json');
    expect(await response.json()).toMatchObject({ specversion: '1.0', id: 'e2', subject: 'a.2' });
  });

  it('answers 404 with a code if there is no such event', async () => {
    const { url } = await filled();
    for (const path of ['/v1/events/e9', '/v1/events/e2?topic=a.1']) {
      const response = await fetch(`${url}${path}`);
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({ code: 'NOT_FOUND' });
    }
  });

  it('answers 404 for an event that may not be read, as for one that does not exist', async () => {
    const reader = principal({
      readable: ['a.*'],
      maySubscribe: (topic) => topic.startsWith('a.'),
      beyondSubscribe: (patterns) => patterns.find((pattern) => !pattern.startsWith('a.')),
    });
    const { url } = await filled({ principals: { t: reader } });
    const headers = { authorization: 'Bearer t' };
    const answerTo = async (path: string) => {
      const response = await fetch(`${url}/v1/events/${path}`, { headers });
      return { status: response.status, body: await response.text() };
    };
    expect((await answerTo('e1')).status).toBe(200);
    const absent = await answerTo('e9?topic=secret.1');
    for (const query of ['', '?topic=*', '?topic=secret.1', '?topic=secret.*', '?topic=b']) {
      const hidden = await answerTo(`e3${query}`);
      expect(hidden).toEqual({ status: 404, body: absent.body.replace('e9', 'e3') });
    }
  });

  it('masks the fields that are masked elsewhere', async () => {
    const reader = principal({
      redacts: true,
      redact: (event) => ({ ...event, payload: '[redacted]' }),
    });
    const { url } = await filled({ principals: { t: reader } });
    for (const accept of ['application/json', 'application/cloudevents+json']) {
      const headers = { authorization: 'Bearer t', accept };
      const text = await (await fetch(`${url}/v1/events/e1`, { headers })).text();
      expect(text).toContain('[redacted]');
      expect(text).not.toContain('4711');
    }
  });

  it('refuses malformed requests, and other methods', async () => {
    const { url } = await filled();
    const codeOf = async (path: string, method = 'GET') => {
      const response = await fetch(`${url}${path}`, { method });
      return [response.status, ((await response.json()) as { code: string }).code];
    };
    expect(await codeOf('/v1/events/e%ff')).toEqual([400, 'QUERY_INVALID']);
    expect(await codeOf('/v1/events/e1?limit=1')).toEqual([400, 'QUERY_INVALID']);
    expect(await codeOf('/v1/events/e1?topic=a.%23')).toEqual([400, 'PATTERN_INVALID']);
    expect((await codeOf('/v1/events/e1', 'DELETE'))[0]).toBe(405);
    expect((await fetch(`${url}/v1/events/e1`, { method: 'HEAD' })).status).toBe(200);
  });
});
