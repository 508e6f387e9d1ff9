import { describe, expect, it } from 'vitest';
import type { SinkBus } from '../../../src/sinks.js';
import { openTestBus } from '../../bus/support/open.js';
import { until } from '../../bus/support/wait.js';
import { BusError, outbox, prepareOutbox } from '../built.js';
import { openSqlite } from '../sqlite.js';

describe('rows that cannot be published now', () => {
  it.each(['FORBIDDEN', 'STORE_FULL'] as const)(
    'do not hold up those of other topics (%s), and keep their order',
    async (code) => {
      const bus = await openTestBus();
      let isRefused = true;
      const refusing = Object.assign(Object.create(bus), {
        get: bus.get.bind(bus),
        publish: bus.publish.bind(bus),
        publishMany: async (...call: Parameters<typeof bus.publishMany>) => {
          const isBad = call[0].some(({ topic }) => topic === 'bad.x');
          if (isRefused && isBad) throw new BusError(code, 'not now');
          return bus.publishMany(...call);
        },
      }) as SinkBus;
      const db = openSqlite();
      const enqueue = prepareOutbox(db);
      const rows = (topic: string, first: number, count: number): void => {
        for (let n = first; n < first + count; n++) enqueue({ topic, type: 'added', payload: n });
      };
      rows('bad.x', 0, 20);
      rows('good.x', 0, 20);
      const told: string[] = [];
      const onError = (error: { code: string }): void => void told.push(error.code);
      const courier = outbox({ bus: refusing, db, batch: 4, pollMs: 1, onError });
      const payloads = async (topic: string) =>
        (await bus.query({ topic, limit: 1000 })).map(({ payload }) => payload);
      await until('the others are published', async () => (await payloads('good.*')).length === 20);
      rows('good.x', 20, 5);
      await until('also later ones', async () => (await payloads('good.*')).length === 25);
      expect(await payloads('bad.*')).toEqual([]);
      expect(new Set(told)).toEqual(new Set([code]));
      isRefused = false;
      await until('all are published', async () => (await payloads('bad.*')).length === 20, 60_000);
      expect(await payloads('bad.*')).toEqual(Array.from({ length: 20 }, (_, n) => n));
      expect(await payloads('good.*')).toEqual(Array.from({ length: 25 }, (_, n) => n));
      await courier.stop();
    },
  );
});
