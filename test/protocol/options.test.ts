import { describe, expect, test } from 'vitest';
import { parseSubscribeOptions as parseOfClient } from '../../src/client/subscribe-options.js';
import { parseSubscribeOptions as parseOfBus } from '../../src/endpoint/options.js';
import type { BusError } from '../../src/protocol/errors.js';
import { checkPublishOptions } from '../../src/protocol/options.js';

function refusal(call: () => unknown): { message: string; paths: string[] } {
  try {
    call();
  } catch (error) {
    const { code, message, details } = error as BusError;
    expect(code).toBe('OPTION_INVALID');
    const faults = details!.faults as { path: string }[];
    return { message, paths: faults.map(({ path }) => path) };
  }
  throw new Error('it was taken');
}

describe('the options of a subscription', () => {
  test('are refused by the bus and by a client with the same message, every fault at once', () => {
    const options: object = {
      from: { last: 0 },
      overflow: 'explode',
      maxBuffer: 2.5,
      name: '',
      signal: {},
      overfow: undefined,
    };
    const { paths } = refusal(() => parseOfBus(options));
    expect(paths).toEqual(Object.keys(options));
    const ofOverflow = /overflow: has to be one of [^;]*;/;
    const [ofBus, ofClient] = [parseOfBus, parseOfClient].map((parse) =>
      refusal(() => parse(options)).message.replace(ofOverflow, ''),
    );
    expect(ofBus).toBe(ofClient);
  });

  test('have to be an object', () => {
    const nothing = JSON.parse('null');
    expect(refusal(() => parseOfBus(nothing)).message).toBe(
      'subscribe: has to be an object, not null',
    );
    expect(refusal(() => parseOfClient(nothing)).message).toBe(
      'subscribe: has to be an object, not null',
    );
  });

  test('that hold up publishers are refused to clients', () => {
    expect(parseOfBus({ overflow: 'block' }).overflow).toBe('block');
    expect(refusal(() => parseOfClient({ overflow: 'block' })).message).not.toMatch(
      /one of.*block,/,
    );
  });

  test('may be left out, or undefined', () => {
    const absent = { from: undefined, overflow: undefined, maxBuffer: undefined, name: undefined };
    expect(parseOfBus(Object.create(absent))).toEqual(parseOfBus());
    expect(parseOfClient(Object.create(absent))).toEqual(parseOfClient());
  });
});

describe('the options of a publish', () => {
  test('are refused with every fault at once', () => {
    const options: object = { durability: 'soon', persist: 1, idScope: '', signal: 0, ttl: 1 };
    const { paths } = refusal(() => checkPublishOptions(options));
    expect(paths).toEqual(Object.keys(options));
  });

  test('are refused if they ask for a durable ephemeral event', () => {
    const options = { persist: false, durability: 'written' } as const;
    expect(refusal(() => checkPublishOptions(options)).paths).toEqual(['durability']);
    expect(() => checkPublishOptions({ persist: false })).not.toThrow();
  });
});
