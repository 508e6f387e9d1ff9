import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { WEBHOOK_IDLE_SOCKETS_OF_ALL_MAX } from '../../../src/protocol/limits/webhook.js';
import { AddressPolicy } from '../../../src/sinks/webhook/addresses.js';
import { Caller, type Resolve } from '../../../src/sinks/webhook/call.js';
import { temporaryDirectory } from '../../bus/support/open.js';
import { until } from '../../bus/support/wait.js';
import { makeCertificate } from '../../gateway/support/certificates.js';
import { neededCommand } from '../../support/needed-command.js';
import { startReceiver } from './support/receiver.js';

/**
 * No request reaches an address that is not allowed, whatever a name server says. The resolver is scripted; the servers and
 * the sockets are real.
 */

const callers: Caller[] = [];
afterEach(() => {
  for (const caller of callers.splice(0)) caller.close();
});

function callerOf(allowed: readonly string[], resolve?: Resolve): Caller {
  const caller = new Caller(new AddressPolicy(allowed), resolve);
  callers.push(caller);
  return caller;
}

const post = (caller: Caller, url: string): Promise<unknown> =>
  caller.post(new URL(url), {}, '{}', new AbortController().signal);

const openssl = neededCommand('openssl', 'webhooks over TLS');

describe.runIf(openssl !== undefined)('a request over TLS', () => {
  it('goes to a receiver whose certificate is right, and to no other', async () => {
    const files = makeCertificate(temporaryDirectory(), 'hooks.example');
    const [cert, key] = [readFileSync(files.cert, 'utf8'), readFileSync(files.key, 'utf8')];
    const server = createServer({ cert, key }, (_, response) => response.writeHead(204).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const resolve = async () => ['127.0.0.1'];
    const trusting = new Caller(new AddressPolicy(['loopback']), resolve, cert);
    const usual = callerOf(['loopback'], resolve);
    callers.push(trusting);
    const sent = post(trusting, `https://hooks.example:${port}/`);
    await expect(sent).resolves.toMatchObject({ status: 204 });
    const unknown = post(usual, `https://hooks.example:${port}/`);
    await expect(unknown).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    const other = post(trusting, `https://other.example:${port}/`);
    await expect(other).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  });
});

describe('a request', () => {
  it.each([
    'http://127.0.0.1/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://017700000001/',
    'http://0/',
    'http://[::1]/',
    'http://[::]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[64:ff9b::127.0.0.1]/',
    'http://[2002:7f00:1::]/',
    'http://169.254.169.254/latest/meta-data/',
    'http://[fd00:ec2::254]/latest/meta-data/',
    'http://10.0.0.1/',
    'http://①②⑦.0.0.1/',
    'http://127.0.0.1./',
    'http://127。0。0。1/',
    'http://[::127.0.0.1]/',
    'http://[::ffff:0:127.0.0.1]/',
    'http://[2001:0:7f00:1::]/',
    'http://[fe80::1]/',
    'http://[fd12::1]/',
    'http://100.64.0.1/',
    // Ports of other protocols, also of hosts that nobody has looked up.
    'http://hooks.example:25/',
    'https://hooks.example:22/',
    'http://93.184.215.14:6667/',
  ])('to %s is refused without a look-up', async (url) => {
    const caller = callerOf([], () => Promise.reject(new Error('looked up')));
    await expect(post(caller, url)).rejects.toMatchObject({ code: 'ADDRESS_REFUSED' });
  });

  it.each(['localhost', 'LOCALHOST'])('to %s is refused by its address', async (host) => {
    const receiver = await startReceiver();
    const caller = callerOf([]);
    await expect(post(caller, `http://${host}:${receiver.port}/`)).rejects.toMatchObject({
      code: 'ADDRESS_REFUSED',
    });
    expect(receiver.connections).toBe(0);
  });

  it('to localhost. goes nowhere, whether the system knows that name or not', async () => {
    const receiver = await startReceiver();
    await expect(post(callerOf([]), `http://localhost.:${receiver.port}/`)).rejects.toThrow(
      /loopback|ENOTFOUND|EAI_AGAIN/,
    );
    expect(receiver.connections).toBe(0);
  });

  it('goes to the very address that was checked, when a name changes its address in between', async () => {
    const receiver = await startReceiver();
    // A second look-up would lead to loopback. There is none: the first answer is what the socket gets.
    const answers = [['127.0.0.2'], ['127.0.0.1']];
    let lookUps = 0;
    const caller = callerOf(['127.0.0.2'], async () => answers[lookUps++] ?? []);
    const url = `http://rebinding.example:${receiver.port}/`;
    // The receiver listens on 127.0.0.1 alone, so the permitted 127.0.0.2 refuses the connection.
    await expect(post(caller, url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(lookUps).toBe(1);
    // The next connection looks up again, and what is found then is checked as well.
    await expect(post(caller, url)).rejects.toMatchObject({
      code: 'ADDRESS_REFUSED',
      details: { host: 'rebinding.example', address: '127.0.0.1' },
    });
    expect(receiver.connections).toBe(0);
  });

  it('leaves out of several addresses those that are refused', async () => {
    const receiver = await startReceiver();
    const caller = callerOf(['127.0.0.1'], async () => ['::1', '10.0.0.1', '127.0.0.1', 'x']);
    const sent = post(caller, `http://mixed.example:${receiver.port}/`);
    await expect(sent).resolves.toMatchObject({ status: 204 });
    const refused = callerOf(['127.0.0.9'], async () => ['::1', '10.0.0.1', '127.0.0.1']);
    const other = post(refused, `http://mixed.example:${receiver.port}/`);
    await expect(other).rejects.toMatchObject({ code: 'ADDRESS_REFUSED' });
    expect(receiver.connections).toBe(1);
  });

  it('looks at no more than 32 addresses of a name', async () => {
    const receiver = await startReceiver();
    const many = Array.from({ length: 32 }, (_, at) => `10.0.0.${at}`);
    const caller = callerOf(['127.0.0.1'], async () => [...many, '127.0.0.1']);
    const sent = post(caller, `http://many.example:${receiver.port}/`);
    await expect(sent).rejects.toMatchObject({ code: 'ADDRESS_REFUSED' });
    expect(receiver.connections).toBe(0);
  });

  it('fails where a name has no address, or cannot be looked up', async () => {
    const empty = callerOf([], async () => []);
    await expect(post(empty, 'http://nobody.example/')).rejects.toThrow(/has no address/);
    const failing = callerOf([], () => Promise.reject(new Error('SERVFAIL')));
    await expect(post(failing, 'http://nobody.example/')).rejects.toThrow('SERVFAIL');
  });

  it('uses a kept connection only for its host, and judges the other host by its own address', async () => {
    const receiver = await startReceiver();
    let isMoved = false;
    const caller = callerOf(['127.0.0.1'], async (host) =>
      host === 'first.example' && !isMoved ? ['127.0.0.1'] : ['10.0.0.1'],
    );
    await post(caller, `http://first.example:${receiver.port}/`);
    const other = post(caller, `http://other.example:${receiver.port}/`);
    await expect(other).rejects.toMatchObject({ code: 'ADDRESS_REFUSED' });
    // The name leads to another address by now; the connection still goes to the one that was checked.
    isMoved = true;
    await post(caller, `http://first.example:${receiver.port}/`);
    expect([receiver.connections, receiver.received.length]).toEqual([1, 2]);
  });

  it('leaves a bounded number of idle connections, however many hosts there are', async () => {
    const receiver = await startReceiver();
    const caller = callerOf(['loopback'], async () => ['127.0.0.1']);
    for (let from = 0; from < 320; from += 32) {
      const some = Array.from({ length: 32 }, (_, at) => `host${from + at}.example`);
      await Promise.all(some.map((host) => post(caller, `http://${host}:${receiver.port}/`)));
    }
    expect(receiver.connections).toBe(320);
    await until('the others are closed', () => receiver.open <= WEBHOOK_IDLE_SOCKETS_OF_ALL_MAX);
    // Those that are kept are used.
    await post(caller, `http://host0.example:${receiver.port}/`);
    expect([receiver.connections, receiver.open > 200]).toEqual([320, true]);
  });

  it('sends nothing where the answer to its look-up is refused, not even a datagram', async () => {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    let datagrams = 0;
    socket.on('message', () => datagrams++);
    const caller = callerOf([], async () => ['127.0.0.1']);
    await expect(
      post(caller, `http://inner.example:${socket.address().port}/`),
    ).rejects.toMatchObject({ code: 'ADDRESS_REFUSED' });
    socket.close();
    expect(datagrams).toBe(0);
  });
});
