import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { S3Target } from '../../src/archive/targets/s3-target.js';
import {
  ARCHIVE_EMPTY_PARTS_MAX,
  ARCHIVE_NOTE_BYTES_MAX,
} from '../../src/protocol/limits/archive.js';
import { within } from '../bus/support/wait.js';
import { KEY } from './flaky-s3.js';

/** What a server that speaks for a bucket may do to the process whose archive is there. */

const MIB = 1024 * 1024;

async function against(listener: RequestListener): Promise<{ target: S3Target; taken: number[] }> {
  const taken: number[] = [];
  const server = createServer((request, response) => {
    request.resume();
    response.on('close', () => taken.push(response.socket?.bytesWritten ?? 0));
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const place = { endpoint, region: 'us-east-1', bucket: 'archive', prefix: '' };
  return { target: await S3Target.open({ ...place, credentials: KEY }), taken };
}

/** Writes for as long as somebody reads. */
const endless =
  (status: number, chunk = Buffer.alloc(64 * 1024, 0x20)): RequestListener =>
  (_, response) => {
    response.writeHead(status);
    const write = (): void => {
      while (!response.destroyed && response.write(chunk));
      if (!response.destroyed) response.once('drain', write);
    };
    write();
  };

describe('an answer of S3', () => {
  test.each<[string, (target: S3Target) => Promise<unknown>, number]>([
    ['a list', (target) => target.list('shard-000/'), 200],
    ['an object', (target) => target.get('archive.json'), 200],
    ['the answer to an upload', (target) => target.put('archive.json', Buffer.from('x')), 200],
    ['a refusal', (target) => target.get('archive.json'), 403],
  ])('that does not end is left: %s', async (_, ask, status) => {
    const { target, taken } = await against(endless(status));
    await expect(within('the answer', ask(target))).rejects.toMatchObject({
      code: 'ARCHIVE_FAILED',
    });
    expect(Math.max(...taken)).toBeLessThan(40 * MIB);
    // It is no failure of the connection, so it is not asked for again.
    expect(taken.length).toBeLessThan(2);
  });

  test('that does not end is left where a part of it was asked for', async () => {
    const { target, taken } = await against(endless(200, Buffer.alloc(64 * 1024, 'x')));
    const part = await within('the part', target.range('shard-000/x.seg', 100, 50));
    expect(part?.toString()).toBe('x'.repeat(50));
    await expect.poll(() => taken.length).toBe(1);
    expect(taken[0]).toBeLessThan(40 * MIB);
  });

  test('that inflates to more than it may is left', async () => {
    const bomb = gzipSync(Buffer.alloc(256 * MIB));
    const { target } = await against((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
    });
    await expect(within('the object', target.get('archive.json'))).rejects.toMatchObject({
      code: 'ARCHIVE_FAILED',
      message: expect.stringContaining(String(ARCHIVE_NOTE_BYTES_MAX)),
    });
  });

  test('that is a list of elements that do not end is refused at once', async () => {
    const text = `<ListBucketResult>${'<Contents>'.repeat(700_000)}</ListBucketResult>`;
    const { target } = await against((_, response) => void response.end(text));
    await expect(within('the list', target.list('shard-000/'))).rejects.toMatchObject({
      code: 'ARCHIVE_FAILED',
    });
  });

  test('that defines entities by entities is read as it is', async () => {
    const text =
      '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>' +
      '<ListBucketResult><Contents><Key>shard-000/&b;</Key><Size>1</Size></Contents></ListBucketResult>';
    const { target } = await against((_, response) => void response.end(text));
    expect(await target.list('shard-000/')).toEqual([{ name: 'shard-000/&b;', bytes: 1 }]);
  });

  test('that lists ever more is left', async () => {
    let pages = 0;
    const { target } = await against((_, response) => {
      const more = `<IsTruncated>true</IsTruncated><NextContinuationToken>${pages++}</NextContinuationToken>`;
      response.end(`<ListBucketResult>${more}</ListBucketResult>`);
    });
    await expect(target.list('shard-000/')).rejects.toMatchObject({ code: 'ARCHIVE_FAILED' });
    expect(pages).toBe(ARCHIVE_EMPTY_PARTS_MAX);
  });

  test('that leads elsewhere is not followed, nor is the request signed for there', async () => {
    const asked: (string | undefined)[] = [];
    const { target: inner } = await against((request, response) => {
      asked.push(request.url);
      response.end('secret');
    });
    const there = inner.locate('archive.json');
    for (const status of [301, 302, 303, 307, 308]) {
      const { target } = await against((_, response) => {
        response.writeHead(status, { location: there }).end();
      });
      await expect(target.get('archive.json')).rejects.toMatchObject({ code: 'ARCHIVE_FAILED' });
      await expect(target.put('archive.json', Buffer.from('x'))).rejects.toMatchObject({
        code: 'ARCHIVE_FAILED',
      });
    }
    expect(asked).toEqual([]);
  });

  test('whose reason is long, or commands a terminal, is told shortly', async () => {
    const reason = `\u001b]0;owned\u0007${'y'.repeat(50_000)}`;
    const { target } = await against((_, response) => {
      const text = `<Error><Code>\u001b[2J${'C'.repeat(5000)}</Code><Message>${reason}</Message></Error>`;
      response.writeHead(400).end(text);
    });
    const error = await target.get('archive.json').catch((thrown: Error) => thrown);
    const text = JSON.stringify([
      (error as Error).message,
      (error as { details?: object }).details,
    ]);
    expect(text.length).toBeLessThan(2000);
    expect(text).not.toContain('\\u001b');
  });
});
