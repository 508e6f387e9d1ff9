import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { S3Target } from '../../src/archive/targets/s3-target.js';
import type { Bus } from '../../src/main/bus.js';
import { errorsTold, openTestBus } from '../bus/support/open.js';
import { until, within } from '../bus/support/wait.js';
import { type Fault, FlakyS3, KEY } from './flaky-s3.js';
import { inLog, numbersOf, pruned, publish, SMALL, upTo } from './numbered-events.js';

/** What an archive makes of a bucket's server that is busy, lies or loses answers. */
const PREFIX = 'a/';

/** A target whose server answers everything with a text. */
async function answering(text: string | ((url: URL) => string)): Promise<S3Target> {
  const server = createServer((request, response) => {
    response.end(typeof text === 'string' ? text : text(new URL(request.url!, 'http://s3')));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return S3Target.open({
    endpoint,
    region: 'us-east-1',
    bucket: 'archive',
    prefix: PREFIX,
    credentials: KEY,
  });
}

const object = (name: string): string =>
  `<Contents><Key>${PREFIX}x/${name}</Key><Size>7</Size></Contents>`;
const page = (more: string): string =>
  `<ListBucketResult>${object('one')}${more}</ListBucketResult>`;

describe('a list of objects', () => {
  test.each([
    ['that says there is more, and not where', page('<IsTruncated>true</IsTruncated>')],
    ['that breaks off', page('<IsTruncated>false</IsTruncated>').slice(0, -8)],
    ['that is another page', '<html>Please sign in</html>'],
    ['that is empty text', ''],
    [
      'that begins again and again',
      page('<IsTruncated>true</IsTruncated><NextContinuationToken>1</NextContinuationToken>'),
    ],
    ['with an object of no size', page('').replace('<Size>7</Size>', '')],
  ])('%s fails, as objects that it leaves out would count as gone', async (_, text) => {
    const target = await answering(text);
    await expect(within('the list', target.list('x/'))).rejects.toMatchObject({
      code: 'ARCHIVE_FAILED',
      message: expect.stringContaining('list'),
    });
  });

  test('without an object is empty', async () => {
    const target = await answering('<ListBucketResult xmlns="s3"></ListBucketResult>');
    expect(await target.list('x/')).toEqual([]);
  });
});

async function open(flaky: FlakyS3, more: object = {}): Promise<Bus> {
  return openTestBus({
    shards: 1,
    archive: { s3: flaky.s3, ...SMALL },
    retention: [{ maxEvents: 50 }],
    ...more,
  });
}

describe('an archive in a bucket', () => {
  test.each<[string, Fault]>([
    ['asks it to slow down', { status: 503 }],
    ['carries out and says that it failed', { afterwards: 500 }],
    ['loses connections', 'reset'],
    ['ends its answers early', { cutAnswerAt: 20 }],
  ])('whose server %s keeps every event, once', async (_, fault) => {
    const flaky = await FlakyS3.start();
    const bus = await open(flaky);
    let count = 0;
    const isCut = typeof fault === 'object' && 'cutAnswerAt' in fault;
    // Objects come with their length, so only a list can be cut without a word.
    const mayFail = (url = '') => !isCut || url.includes('list-type');
    flaky.fault = ({ url }) => (mayFail(url) && count++ % 3 === 1 ? fault : undefined);
    await publish(bus, 0, 1500);
    await pruned(bus);
    flaky.fault = () => undefined;
    expect(await numbersOf(bus)).toEqual(upTo(1500));
    await bus.close();
  });

  test.each<[string, Fault, string]>([
    ['whose clock is another one', { status: 403, code: 'RequestTimeTooSkewed' }, 'archive.s3'],
    ['that has too many requests', { status: 429, code: 'TooManyRequests' }, 'archive.s3'],
    ['that waited too long for a request', { status: 400, code: 'RequestTimeout' }, 'archive.s3'],
  ])('opens with a server %s, as that passes', async (_, fault, setting) => {
    const flaky = await FlakyS3.start();
    flaky.fault = () => fault;
    const bus = await open(flaky);
    await publish(bus, 0, 200);
    await until('it is told', () => errorsTold(bus).length > 0);
    expect(errorsTold(bus)[0]).toMatchObject({ code: 'ARCHIVE_FAILED', details: { setting } });
    expect(await inLog(bus)).toBe(200);
    flaky.fault = () => undefined;
    await pruned(bus);
    expect(await numbersOf(bus)).toEqual(upTo(200));
  });

  test('whose credentials run out holds retention back, says so, and blocks no publish', async () => {
    const flaky = await FlakyS3.start();
    const bus = await open(flaky);
    await publish(bus, 0, 500);
    await pruned(bus);
    expect(errorsTold(bus)).toEqual([]);
    flaky.fault = () => ({ status: 400, code: 'ExpiredToken' });
    await publish(bus, 500, 1000);
    await until('it is told', () => errorsTold(bus).length > 0);
    expect(errorsTold(bus)[0]).toMatchObject({
      code: 'ARCHIVE_FAILED',
      details: { setting: 'archive.s3.credentials', code: 'ExpiredToken' },
    });
    await until('the figures', async () => {
      const { failingMs, waitingMs } = (await bus.stats()).shards[0]!.archive!;
      return failingMs > 0 && waitingMs > 0;
    });
    expect(await inLog(bus)).toBeGreaterThanOrEqual(1000);
    // What is archived cannot be read now. That is an error, and no gap.
    await expect(numbersOf(bus)).rejects.toMatchObject({ code: 'ARCHIVE_FAILED' });
    flaky.fault = () => undefined;
    await pruned(bus);
    expect(await numbersOf(bus)).toEqual(upTo(1500));
  });
});
