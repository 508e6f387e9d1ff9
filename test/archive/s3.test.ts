import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import S3rver from 's3rver';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { claimArchive } from '../../src/archive/root.js';
import { S3Target } from '../../src/archive/targets/s3-target.js';
import type { S3Place } from '../../src/archive/targets/target.js';
import { verifyArchive } from '../../src/archive/verify-archive.js';
import { errorsTold, openTestBus } from '../bus/support/open.js';
import { until } from '../bus/support/wait.js';
import { temporaryDirectory } from '../store/directories.js';
import { ArchivedLog, lineageOf, RULES } from './archived-log.js';

/** An archive in a bucket, on a server from the registry that speaks S3's protocol. */
const KEY = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };

let server: S3rver;
let place: S3Place;

beforeEach(async () => {
  server = new S3rver({
    port: 0,
    address: '127.0.0.1',
    silent: true,
    directory: temporaryDirectory(),
    configureBuckets: [{ name: 'archive' }],
  });
  const { port } = await server.run();
  const endpoint = `http://127.0.0.1:${port}`;
  place = { endpoint, region: 'us-east-1', bucket: 'archive', prefix: 'a/b/', credentials: KEY };
});

afterEach(() => server.close());

describe('an archive in a bucket', () => {
  test('stores, lists, reads in parts and removes objects', async () => {
    const target = await S3Target.open(place);
    const bytes = Buffer.from('0123456789');
    expect(await target.get('x/one')).toBeUndefined();
    expect(await target.range('x/one', 0, 3)).toBeUndefined();
    await target.put('x/one', bytes);
    await target.put('x/one', bytes);
    await target.put('x/two', Buffer.alloc(3));
    await target.put('y/three', Buffer.alloc(1));
    expect(await target.list('x/')).toEqual([
      { name: 'x/one', bytes: 10 },
      { name: 'x/two', bytes: 3 },
    ]);
    expect(await target.get('x/one')).toEqual(bytes);
    expect(await target.range('x/one', 2, 3)).toEqual(Buffer.from('234'));
    expect(await target.range('x/one', 8, 30)).toEqual(Buffer.from('89'));
    await target.remove('x/one');
    await target.remove('x/one');
    expect(await target.list('x/')).toHaveLength(1);
  });

  // By a server of the test: s3rver fails at the second part of a list.
  test('lists all parts of a long list', async () => {
    const asked: (string | null)[] = [];
    const listing = createServer((request, response) => {
      const token = new URL(request.url!, 'http://s3').searchParams.get('continuation-token');
      asked.push(token);
      const object = (name: string) =>
        `<Contents><Key>a/b/x/${name}</Key><Size>7</Size></Contents>`;
      const more =
        '<IsTruncated>true</IsTruncated><NextContinuationToken>1&amp;2</NextContinuationToken>';
      const part = token === null ? object('one') + more : object('two');
      response.end(`<ListBucketResult>${part}</ListBucketResult>`);
    });
    const target = await S3Target.open({ ...place, endpoint: await addressOf(listing) });
    expect(await target.list('x/')).toEqual([
      { name: 'x/one', bytes: 7 },
      { name: 'x/two', bytes: 7 },
    ]);
    expect(asked).toEqual([null, '1&2']);
    listing.close();
  });

  test('gives back all events, and verifies', async () => {
    const target = await S3Target.open(place);
    const lineage = lineageOf();
    await claimArchive(target, lineage);
    const log = new ArchivedLog(temporaryDirectory(), target, [{ maxEvents: 5 }], RULES, lineage);
    await log.archiver.start();
    const topics = Array.from({ length: 300 }, (_, n) => `t.${n % 3}`);
    log.publishAll(topics, (n) => ({ n, pad: 'x'.repeat(80) }));
    await log.settle();
    const { events, lost } = await log.read();
    expect(events.map(({ topic }) => topic)).toEqual(topics);
    expect(lost).toEqual([]);
    const found: unknown[] = [];
    for await (const finding of verifyArchive({ s3: place }, lineage)) found.push(finding);
    expect(found).toEqual([]);
    log.close();
  });

  test.each([
    ['archive.s3.bucket', { bucket: 'nothing' }, 404],
    ['archive.s3.credentials', { credentials: { ...KEY, accessKeyId: 'who' } }, 403],
  ])('names the setting that the server refuses: %s', async (setting, change, status) => {
    const target = await S3Target.open({ ...place, ...change });
    await expect(target.get('archive.json')).rejects.toMatchObject({
      code: 'ARCHIVE_FAILED',
      message: expect.stringContaining(setting),
      details: { setting, status },
    });
  });

  test('keeps a bus from opening where the server refuses it, and not where it is away', async () => {
    const { endpoint, ...rest } = place;
    const bucket = { ...rest, credentials: KEY };
    const wrong = { ...bucket, endpoint: endpoint!, bucket: 'nothing' };
    await expect(openTestBus({ archive: { s3: wrong } })).rejects.toMatchObject({
      code: 'ARCHIVE_FAILED',
      details: { setting: 'archive.s3.bucket' },
    });
    const away = { ...bucket, endpoint: 'http://127.0.0.1:9' };
    const bus = await openTestBus({ archive: { s3: away } });
    await bus.publish({ topic: 'a', type: 'chat_message', payload: 1 });
    await until('it is told', () => errorsTold(bus).length > 0);
    expect(errorsTold(bus)[0]).toMatchObject({ details: { setting: 'archive.s3.endpoint' } });
    await until('the figures', async () => {
      const { archive } = (await bus.stats()).shards[0]!;
      return archive!.failingMs > 0;
    });
  });

  test('takes an upload that was cut off for nothing, and fails with the endpoint', async () => {
    const cutting = createServer((request) => request.socket.destroy());
    const target = await S3Target.open({ ...place, endpoint: await addressOf(cutting) });
    await expect(target.put('x/one', Buffer.alloc(100_000))).rejects.toMatchObject({
      code: 'ARCHIVE_FAILED',
      details: { setting: 'archive.s3.endpoint' },
    });
    cutting.close();
  });

  test.each([
    [{}, 'archive'],
    [{ dir: 'x', s3: { bucket: 'b' } }, 'archive'],
    [{ s3: { bucket: 'b', endpoint: 'ftp://x' } }, 'archive.s3.endpoint'],
    [{ s3: { bucket: 'b', prefix: '../x' } }, 'archive.s3.prefix'],
  ])('is refused with options that make no sense: %j', async (archive, path) => {
    await expect(openTestBus({ archive: archive as never })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      details: { faults: [{ path }] },
    });
  });
});

async function addressOf(own: Server): Promise<string> {
  await new Promise<void>((resolve) => own.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(own.address() as AddressInfo).port}`;
}
