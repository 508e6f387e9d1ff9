import { describe, expect, it } from 'vitest';
import { subscribeArguments } from '../../src/protocol/subscribe-arguments.js';

const handler = (): void => {};

describe('the arguments of subscribe', () => {
  it('are a handler, options, both or none', () => {
    const options = { name: 'a' };
    expect(subscribeArguments(undefined, undefined)).toEqual({});
    expect(subscribeArguments(handler, undefined)).toEqual({ handler });
    expect(subscribeArguments(handler, options)).toEqual({ handler, options });
    expect(subscribeArguments(options, undefined)).toEqual({ options });
    expect(subscribeArguments(undefined, options)).toEqual({ options });
  });

  it.each([{}, undefined])('are refused if the handler comes behind the options %j', (options) => {
    const message = 'subscribe: the handler comes before the options, not a function behind them';
    expect(() => subscribeArguments(options, handler)).toThrow(message);
  });
});
