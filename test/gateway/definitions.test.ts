import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { StandardSchema } from '../../src/protocol/define-topic.js';
import { newKey, temporaryDirectory, writeKeys } from '../auth/support/auth.js';
import { defineTopic } from '../bus/support/millrace.js';
import { openTestBus } from '../bus/support/open.js';
import { connectTo } from '../client/support/millrace-client.js';

const orders = defineTopic('orders.*', z.object({ id: z.string(), total: z.number().optional() }));
/** Dates have no JSON Schema. */
const dates = defineTopic('dates.+', z.object({ at: z.date() }));
const plain: StandardSchema = {
  '~standard': { version: 1, vendor: 'test', validate: () => ({}) },
};
const bare = defineTopic('bare', plain);

function withSchema(pattern: string, input: () => Record<string, unknown>) {
  const standard = { ...plain['~standard'], jsonSchema: { input } };
  return defineTopic(pattern, { '~standard': standard });
}

describe('the topics that a bus was opened with', () => {
  it('come with the JSON Schema of their payloads, where the validator can tell it', async () => {
    const bus = await openTestBus({ shards: 1, topics: [orders, dates, bare] });
    const { url } = await bus.serve({ port: 0 });
    const { client } = connectTo(url);
    const definitions = await client.definitions();
    expect(definitions).toEqual([
      { pattern: 'orders.*', jsonSchema: expect.any(Object) },
      { pattern: 'dates.+' },
      { pattern: 'bare' },
    ]);
    expect(definitions[0]!.jsonSchema).toMatchObject({
      type: 'object',
      properties: { id: { type: 'string' }, total: { type: 'number' } },
      required: ['id'],
    });
    expect(await (await fetch(`${url}/v1/definitions`)).json()).toEqual(definitions);
  });

  it('are without a schema that is no JSON, or far too long', async () => {
    const cyclic: Record<string, unknown> = {};
    cyclic.itself = cyclic;
    const topics = [
      withSchema('cyclic', () => cyclic),
      withSchema('long', () => ({ title: 'x'.repeat(100_000) })),
      withSchema('fine', () => ({ type: 'string', code: () => {} })),
    ];
    const bus = await openTestBus({ shards: 1, topics });
    const { client } = connectTo((await bus.serve({ port: 0 })).url);
    expect(await client.definitions()).toEqual([
      ...[{ pattern: 'cyclic' }, { pattern: 'long' }],
      { pattern: 'fine', jsonSchema: { type: 'string' } },
    ]);
  });

  it('are those to which the client may publish', async () => {
    const keysFile = join(temporaryDirectory(), 'keys.json');
    const part = newKey({ name: 'part', publish: ['orders.eu.*'], subscribe: ['*'] });
    const none = newKey({ name: 'none', subscribe: ['*'], admin: ['*'] });
    writeKeys(keysFile, part, none);
    const bus = await openTestBus({ shards: 1, topics: [orders, bare] });
    const { url } = await bus.serve({ port: 0, auth: { keysFile } });
    const asking = ({ key }: { key: string }) =>
      connectTo(url, { getToken: () => key }).client.definitions();
    expect((await asking(part)).map(({ pattern }) => pattern)).toEqual(['orders.*']);
    expect(await asking(none)).toEqual([]);
    expect((await fetch(`${url}/v1/definitions`)).status).toBe(401);
  });
});
