import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { Gateway } from '../../src/gateway/gateway.js';
import { temporaryDirectory } from '../auth/support/auth.js';
import { until } from '../bus/support/wait.js';
import { neededCommand } from '../support/needed-command.js';
import { makeCertificate } from './support/certificates.js';
import { FakeEndpoint } from './support/fake-endpoint.js';
import { openGateway } from './support/open-gateway.js';

/** TLS by certificate and key files, which are replaced while the server runs. */

const folder = () => temporaryDirectory();

function servedName(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

function copyPair(from: { cert: string; key: string }, certFile: string, keyFile: string): void {
  copyFileSync(from.cert, certFile);
  copyFileSync(from.key, keyFile);
}

const openssl = neededCommand('openssl', 'the gateway over TLS');

describe.runIf(openssl !== undefined)('TLS', () => {
  it('serves WebSockets, and uses a new certificate while it runs', async () => {
    const directory = folder();
    const [certFile, keyFile] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
    const [first, second] = ['first', 'second'].map((name) => makeCertificate(directory, name));
    copyPair(first!, certFile, keyFile);
    const gateway = await openGateway({ tls: { certFile, keyFile } });
    const socket = new WebSocket(`wss://127.0.0.1:${gateway.port}/events`, 'millrace.v1', {
      rejectUnauthorized: false,
    });
    const welcome = await new Promise<string>((resolve) => {
      socket.once('message', (data) => resolve(String(data)));
    });
    expect(JSON.parse(welcome).type).toBe('welcome');
    expect(await servedName(gateway.port)).toBe('first');
    copyPair(second!, certFile, keyFile);
    await until('the new certificate is taken', () =>
      gateway.logs.some(({ message }) => message === 'certificate replaced'),
    );
    expect(await servedName(gateway.port)).toBe('second');
    // A client that was connected before stays connected.
    expect(socket.readyState).toBe(WebSocket.OPEN);
    socket.terminate();
  });

  it('keeps the old certificate if the new one is faulty or incomplete', async () => {
    const directory = folder();
    const [certFile, keyFile] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
    const [first, second] = ['first', 'second'].map((name) => makeCertificate(directory, name));
    copyPair(first!, certFile, keyFile);
    const gateway = await openGateway({ tls: { certFile, keyFile } });
    const complaints = () => gateway.logs.filter(({ level }) => level === 'error').length;
    writeFileSync(certFile, 'nonsense');
    await until('nonsense is told', () => complaints() === 1);
    // The certificate alone does not fit the old key.
    copyFileSync(second!.cert, certFile);
    await until('the misfit is told', () => complaints() === 2);
    expect(await servedName(gateway.port)).toBe('first');
    copyFileSync(second!.key, keyFile);
    await until('the new certificate is taken', () =>
      gateway.logs.some(({ message }) => message === 'certificate replaced'),
    );
    expect(await servedName(gateway.port)).toBe('second');
  });

  it('survives clients that speak no TLS', async () => {
    const directory = folder();
    const { cert: certFile, key: keyFile } = makeCertificate(directory, 'only');
    const gateway = await openGateway({ tls: { certFile, keyFile } });
    const plain = new WebSocket(`ws://127.0.0.1:${gateway.port}/events`);
    await new Promise((resolve) => plain.once('error', resolve));
    expect(await servedName(gateway.port)).toBe('only');
  });

  it('refuses files that are not a certificate and its key before a port is bound', () => {
    const directory = folder();
    const { key: keyFile } = makeCertificate(directory, 'only');
    const faulty = [
      { certFile: join(directory, 'missing'), keyFile },
      { certFile: keyFile, keyFile },
      { certFile: directory, keyFile },
    ];
    for (const tls of faulty) {
      const make = () => new Gateway(new FakeEndpoint(), { port: 0, tls }, () => {});
      expect(make).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }));
    }
  });
});
