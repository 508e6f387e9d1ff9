import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { HTTP_STATUS } from '../../../src/gateway/http/http-status.js';
import { ERROR_CODES } from '../../../src/protocol/errors.js';
import { openGateway } from '../support/open-gateway.js';
import { openHttp, principal } from './support/open-http.js';

const PATHS = ['/v1/events?topic=a', '/v1/topics', '/v1/subscribers?topic=a', '/v1/stats'];

describe('access', () => {
  it('needs a token on every route that shows or changes the content of the bus', async () => {
    const { url } = await openHttp({ principals: {} });
    for (const path of [...PATHS, '/v1/events/e1', '/v1/events/stream?topic=a', '/metrics']) {
      const response = await fetch(`${url}${path}`);
      expect(response.status, path).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      expect(await response.json()).toMatchObject({ code: 'UNAUTHENTICATED' });
    }
    const basic = await fetch(`${url}/v1/stats`, { headers: { authorization: 'Basic eDp5' } });
    expect(basic.status).toBe(401);
    await basic.body?.cancel();
    for (const path of ['/', '/livez', '/readyz']) {
      expect((await fetch(`${url}${path}`)).status, path).toBe(200);
    }
  });

  it('checks the principal’s grants on every route', async () => {
    const nobody = principal({
      mayPublish: () => false,
      maySubscribe: () => false,
      readable: [],
      beyondSubscribe: ([pattern]) => pattern,
      mayAdminister: () => false,
    });
    const { url, endpoint } = await openHttp({
      principals: { t: nobody },
      metrics: async () => ({ contentType: 'text/plain', text: 'x 1' }),
    });
    await endpoint.publish({ topic: 'a', type: 'note', payload: 1 });
    const headers = { authorization: 'Bearer t', 'content-type': 'application/json' };
    const paths = [...PATHS.filter((path) => path !== '/v1/topics'), '/v1/topics?pattern=*'];
    for (const path of [...paths, '/v1/events/stream?topic=a', '/metrics']) {
      const response = await fetch(`${url}${path}`, { headers });
      expect(response.status, path).toBe(403);
      expect(await response.json()).toMatchObject({ code: 'FORBIDDEN' });
    }
    expect(await (await fetch(`${url}/v1/topics`, { headers })).json()).toEqual([]);
    const body = JSON.stringify({ topic: 'a', type: 'note', payload: 1 });
    const posted = await fetch(`${url}/v1/events`, { method: 'POST', headers, body });
    expect(posted.status).toBe(403);
    expect(endpoint.events).toHaveLength(1);
  });

  it('is refused to unknown hosts and pages, and granted to allowed pages', async () => {
    const { port } = await openGateway({ allowedOrigins: ['https://app.example'] });
    expect((await raw(port, '/v1/stats', { host: 'evil.example' })).status).toBe(403);
    expect((await raw(port, '/v1/stats', { origin: 'https://evil.example' })).status).toBe(403);
    const allowed = await raw(port, '/v1/stats', { origin: 'https://app.example' });
    expect(allowed.status).toBe(200);
    expect(allowed.headers['access-control-allow-origin']).toBe('https://app.example');
    const preflight = await raw(
      port,
      '/v1/events',
      {
        origin: 'https://app.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'Content-Type, ce-id, x-other',
      },
      'OPTIONS',
    );
    expect(preflight.status).toBe(204);
    expect(preflight.headers['access-control-allow-headers']).toBe('content-type, ce-id');
  });
});

describe('an unknown path or method', () => {
  it.each([
    ['DELETE', '/v1/events', 405, 'POST, GET, HEAD, OPTIONS'],
    ['POST', '/v1/stats', 405, 'GET, HEAD, OPTIONS'],
    ['PUT', '/livez', 405, 'GET, HEAD, OPTIONS'],
    ['OPTIONS', '/v1/topics', 204, 'GET, HEAD, OPTIONS'],
    ['GET', '/v2', 404, undefined],
    ['POST', '/v1/nothing', 404, undefined],
    ['GET', '/metrics', 404, undefined],
  ])('%s %s is answered with %d', async (method, path, status, allow) => {
    const { port } = await openHttp();
    const answer = await raw(port, path, {}, method);
    expect(answer.status).toBe(status);
    expect(answer.headers.allow).toBe(allow);
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
  });

  it.each(['//', '/%', '/v1/../v1/events/%2e%2e', 'http://[', '*', '/v1/events?%'])(
    'does not stop the server: target %s',
    async (target) => {
      const { port } = await openHttp();
      const answer = await raw(port, target, {});
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
      expect((await raw(port, '/livez', {})).status).toBe(200);
    },
  );
});

describe('errors', () => {
  it('have a status each', () => {
    expect(Object.keys(HTTP_STATUS).sort()).toEqual([...ERROR_CODES].sort());
  });

  it('are INTERNAL, and logged, if they are unexpected', async () => {
    const logs: string[] = [];
    const { url, endpoint } = await openHttp({ log: (level) => void logs.push(level) });
    endpoint.stats = () => Promise.reject(new TypeError('boom'));
    const response = await fetch(`${url}/v1/stats`);
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ code: 'INTERNAL' });
    expect(logs).toContain('error');
  });
});

describe('the probes', () => {
  it('name the checks that fail', async () => {
    const checks = [
      { name: 'bus', isOk: true },
      { name: 'shard-1', isOk: false, reason: 'it is restarting' },
    ];
    const { url } = await openHttp({ readiness: async () => checks });
    const response = await fetch(`${url}/readyz?verbose`);
    expect(response.status).toBe(503);
    expect(await response.text()).toBe(
      '[+]bus ok\n[-]shard-1 failed: it is restarting\nreadyz check failed\n',
    );
    const headers = { accept: 'application/json' };
    const asJson = await fetch(`${url}/readyz?verbose`, { headers });
    expect(await asJson.json()).toEqual({ status: 'failed', checks });
  });

  it('serve metrics as text', async () => {
    const { port } = await openGateway();
    const answer = await raw(port, '/metrics', {});
    expect(answer.status).toBe(200);
    expect(answer.body).toContain('millrace_build_info');
  });
});

function raw(
  port: number,
  path: string,
  headers: Record<string, string>,
  method = 'GET',
): Promise<{ status: number; headers: Record<string, unknown>; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, path, headers, method, host: '127.0.0.1', agent: false });
    asked.once('error', reject);
    asked.once('response', (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text) => {
        body += text;
      });
      response.once('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body }),
      );
    });
    asked.end();
  });
}
