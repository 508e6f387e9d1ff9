import { randomBytes } from 'node:crypto';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { MIB } from '../../../src/protocol/limits/units.js';
import { openBus } from '../../bus/support/millrace.js';
import { until, watch, within } from '../../bus/support/wait.js';
import { entry, type OpenAgain, openingOf, texts } from '../../testing/consumer-broker-checks.js';
import { natsStore, newPrefix } from './support/nats.js';
import { Network } from './support/network.js';
import { NatsServer, natsServerPath, startCluster } from './support/server.js';

const OWNER_CHANGED = { name: 'OwnerChanged' };

async function newServer(): Promise<NatsServer> {
  const server = await NatsServer.start();
  onTestFinished(() => server.dispose());
  return server;
}

async function managerOf(...servers: readonly NatsServer[]) {
  const urls = servers.map(({ url }) => url);
  const connection = await connect({ servers: urls, maxReconnectAttempts: -1 });
  onTestFinished(() => connection.close());
  return jetstreamManager(connection);
}

/** Opens the broker of one store, over a network that can fail and over one that cannot. */
async function twoWays() {
  const server = await newServer();
  const network = await Network.to(server.port);
  onTestFinished(() => network.dispose());
  const prefix = newPrefix();
  const openOver = (servers: string): Promise<OpenAgain> =>
    openingOf({ create: () => ({ store: natsStore({ servers, prefix, shards: 2 }) }) });
  const [open, openBeside] = [await openOver(network.url), await openOver(server.url)];
  const { streams } = await managerOf(server);
  /** The last message of the journal of shard 0, however it came there. */
  const lastPiece = async (): Promise<string> => {
    const last = await streams.getMessage(`${prefix}-consumers`, {
      last_by_subj: `${prefix}.consumers.0`,
    });
    return last!.string();
  };
  const reconnect = (): void => {
    network.cut();
    network.mend();
  };
  return { server, network, open, openBeside, lastPiece, reconnect };
}

describe.runIf(natsServerPath !== undefined)('the journal of consumers on NATS', () => {
  test('has an entry once whose confirmation, or which itself, was lost on its way', async () => {
    const { network, open, openBeside, lastPiece, reconnect } = await twoWays();
    const journal = (await open()).journal(0);
    await journal.take();
    await journal.append(entry('a'));
    network.deafen();
    const stored = journal.append(entry('b'));
    await until('it is stored', async () => (await lastPiece()).endsWith('b'));
    reconnect();
    await stored;
    network.silence();
    const lost = journal.append(entry('c'));
    reconnect();
    await lost;
    await journal.append(entry('d'));
    expect(texts(await (await openBeside()).journal(0).take())).toEqual(['a', 'b', 'c', 'd']);
  });

  test('tells its last owner what it has, and what came too late', async () => {
    const { network, open, openBeside, lastPiece, reconnect } = await twoWays();
    const journal = (await open()).journal(0);
    const next = (await openBeside()).journal(0);
    await journal.take();
    network.deafen();
    const stored = journal.append(entry('a'));
    await until('it is stored', async () => (await lastPiece()).endsWith('a'));
    expect(texts(await next.take())).toEqual(['a']);
    reconnect();
    await stored;
    await expect(journal.append(entry('b'))).rejects.toMatchObject(OWNER_CHANGED);
    await journal.take();
    network.silence();
    const late = expect(journal.append(entry('c'))).rejects.toMatchObject(OWNER_CHANGED);
    expect(texts(await next.take())).toEqual(['a']);
    reconnect();
    await late;
    expect(texts(await next.take())).toEqual(['a']);
  });

  test('goes on, as texts and messages do, when the server comes again', async () => {
    const server = await newServer();
    const prefix = newPrefix();
    const create = () => ({ store: natsStore({ servers: server.url, prefix, shards: 2 }) });
    const open = await openingOf({ create });
    const [broker, other] = [await open(), await open()];
    const [journal, list] = [broker.journal(0), broker.text('list')];
    await journal.take();
    await journal.append(entry('a'));
    const version = await list.replace(0, 'one');
    const heard: Uint8Array[] = [];
    await other.listen('here', (message) => heard.push(message));
    await server.kill();
    const calls = [
      journal.append(entry('b')),
      other.journal(1).take(),
      list.replace(version!, 'two'),
      other.text('owner').read(),
    ] as const;
    const watched = watch(Promise.race(calls));
    await expect(fetch(`http://${server.url}`)).rejects.toThrow();
    expect(watched.settled).toBe(false);
    await server.start();
    const [, taken, replaced, owner] = await Promise.all(calls);
    expect([taken, owner]).toEqual([[], { version: 0, text: undefined }]);
    expect(await other.text('list').read()).toEqual({ version: replaced, text: 'two' });
    await until('a message comes', () => {
      broker.send('here', entry('m'));
      return heard.length > 0;
    });
    expect(texts(await other.journal(0).take())).toEqual(['a', 'b']);
  });

  test('has each entry once, and its text the last one, where leaders of a cluster die', {
    timeout: 120_000,
  }, async () => {
    const servers = await startCluster(3);
    onTestFinished(async () => {
      for (const server of servers) await server.dispose();
    });
    const prefix = newPrefix();
    const urls = servers.map(({ url }) => url);
    const store = natsStore({ servers: urls, prefix, shards: 2, replicas: 3 });
    const open = await openingOf({ create: () => ({ store }) });
    const [broker, other] = [await open(), await open()];
    const [journal, text] = [broker.journal(0), broker.text('owner')];
    await journal.take();
    const { streams } = await managerOf(...servers);
    const confirmed: string[] = [];
    let version = 0;
    const goOn = async (): Promise<void> => {
      for (let n = 0; n < 100; n++) {
        const next = `${confirmed.length}`;
        await journal.append(entry(next));
        confirmed.push(next);
        if (n % 10 === 0) version = (await text.replace(version, next))!;
      }
    };
    await goOn();
    for (let round = 0; round < 2; round++) {
      const { cluster } = await streams.info(`${prefix}-consumers`);
      const leader = servers[Number(cluster!.leader!.slice(1))]!;
      const going = goOn();
      await leader.kill();
      await going;
      await leader.start();
      expect(texts(await other.journal(0).take())).toEqual(confirmed);
      expect(texts(await journal.take())).toEqual(confirmed);
    }
    expect(await other.text('owner').read()).toEqual({ version, text: `${confirmed.length - 10}` });
  });

  test('takes no entry that the stream has no room for, and those that it has', async () => {
    const server = await newServer();
    const prefix = newPrefix();
    const { streams } = await managerOf(server);
    await streams.add({
      name: `${prefix}-consumers`,
      subjects: [`${prefix}.consumers.*`],
      discard: 'new',
      allow_direct: true,
      max_bytes: 3.5 * MIB,
    });
    const create = () => ({ store: natsStore({ servers: server.url, prefix, shards: 2 }) });
    const open = await openingOf({ create });
    const journal = (await open()).journal(0);
    await journal.take();
    await journal.append(entry('a'));
    const full = { code: 'STORE_FULL' };
    await expect(journal.append(randomBytes(5 * MIB))).rejects.toMatchObject(full);
    await journal.append(entry('b'));
    await expect(journal.compact([randomBytes(5 * MIB)])).rejects.toMatchObject(full);
    await journal.append(entry('c'));
    expect(texts(await (await open()).journal(0).take())).toEqual(['a', 'b', 'c']);
  });

  test('is refused where its end is gone, and taken with nothing where all is', async () => {
    const server = await newServer();
    const prefix = newPrefix();
    const create = () => ({ store: natsStore({ servers: server.url, prefix, shards: 2 }) });
    const open = await openingOf({ create });
    const journal = (await open()).journal(0);
    await journal.take();
    await journal.append(entry('a'));
    const { streams } = await managerOf(server);
    await streams.purge(`${prefix}-consumers`);
    const failed = { code: 'STORE_FAILED', message: expect.stringContaining('has lost the end') };
    await expect(journal.append(entry('b'))).rejects.toMatchObject(failed);
    expect(await journal.take()).toEqual([]);
    await journal.append(entry('c'));
    await streams.delete(`${prefix}-consumers`);
    await expect(journal.append(entry('d'))).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });
});

describe.runIf(natsServerPath !== undefined)('a text that nodes share on NATS', () => {
  test('is replaced once, though the confirmation is lost', async () => {
    const { network, open, openBeside, reconnect } = await twoWays();
    const [text, beside] = [(await open()).text('list'), (await openBeside()).text('list')];
    const replaceUnheard = async (version: number, next: string): Promise<number | undefined> => {
      network.deafen();
      const replacing = text.replace(version, next);
      replacing.catch(() => {});
      await until('it is replaced', async () => (await beside.read()).text === next);
      if (next === 'doubtful') {
        const { version: there } = await beside.read();
        await beside.replace(there, 'the other');
      }
      reconnect();
      return replacing;
    };
    const version = await replaceUnheard(0, 'one');
    expect(await beside.read()).toEqual({ version, text: 'one' });
    await expect(replaceUnheard(version!, 'doubtful')).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining('not known'),
    });
    expect((await text.read()).text).toBe('the other');
  });

  test('is refused where it is too long for the server, by the name of its limit', async () => {
    const server = await newServer();
    const create = () => ({ store: natsStore({ servers: server.url, prefix: newPrefix() }) });
    const list = (await (await openingOf({ create }))()).text('list');
    const text = randomBytes(2 * MIB).toString('base64');
    await expect(list.replace(0, text)).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      details: { setting: 'max_payload' },
    });
    expect(await list.read()).toEqual({ version: 0, text: undefined });
  });
});

describe.runIf(natsServerPath !== undefined)('a bus with consumers on NATS', () => {
  test('closes while the server is away', async () => {
    const server = await newServer();
    const store = natsStore({ servers: server.url, prefix: newPrefix(), shards: 1 });
    const bus = await openBus({ store });
    await bus.consumer('worker', { filter: 'jobs.*' });
    await server.kill();
    await within('it is closed', bus.close());
  });
});

describe.runIf(natsServerPath !== undefined)('the stream of consumers on NATS', () => {
  test('is not made where the store may not, and refused where it does not fit', async () => {
    const server = await newServer();
    const { streams } = await managerOf(server);
    const prefix = newPrefix();
    const name = `${prefix}-consumers`;
    const opening = (create: boolean) =>
      openingOf({ create: () => ({ store: natsStore({ servers: server.url, prefix, create }) }) });
    await opening(true);
    await opening(false);
    await streams.delete(name);
    await expect(opening(false)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining(`stream ${name} is missing and create is false`),
    });
    const config = { name, subjects: [`${prefix}.consumers.*`], allow_direct: true };
    await streams.add({ ...config, discard: 'old' });
    await expect(opening(true)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      details: { stream: name, field: 'discard' },
    });
  });
});
