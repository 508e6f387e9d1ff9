import { describe, expect, it } from 'vitest';
import { parseConnectOptions } from '../../src/client/options.js';
import type { BusError } from '../../src/protocol/errors.js';

function faults(url: string, options: object): string[] {
  try {
    parseConnectOptions(url, options);
  } catch (error) {
    const { code, details } = error as BusError;
    expect(code).toBe('OPTION_INVALID');
    return (details!.faults as { path: string }[]).map(({ path }) => path);
  }
  return [];
}

describe('the options of connect', () => {
  it('take the URL of a server in each of its forms', () => {
    const url = (text: string) => parseConnectOptions(text).url;
    expect(url('http://127.0.0.1:7400')).toBe('ws://127.0.0.1:7400/events');
    expect(url('https://bus.example/')).toBe('wss://bus.example/events');
    expect(url('ws://host:1/events')).toBe('ws://host:1/events');
    expect(url('wss://host/under/a/path')).toBe('wss://host/under/a/path/events');
  });

  it('have defaults', () => {
    expect(parseConnectOptions('http://h')).toMatchObject({
      maxReconnectAttempts: -1,
      reconnectBaseMs: 500,
      reconnectMaxMs: 20_000,
      publishTimeoutMs: 0,
      lazy: false,
    });
  });

  it('are refused with every fault at once', () => {
    const options = {
      heartbeatMs: 'soon',
      maxOutboxEvents: 0,
      getToken: 'secret',
      source: 7,
      topics: [1],
      lazy: 'no',
      colour: 'red',
      onError: undefined,
    };
    expect(faults('nowhere', options)).toEqual([
      'url',
      'heartbeatMs',
      'maxOutboxEvents',
      'getToken',
      'source',
      'topics',
      'lazy',
      'colour',
    ]);
    expect(faults('http://h', { maxReconnectAttempts: -2, constructor: 1 })).toEqual([
      'maxReconnectAttempts',
      'constructor',
    ]);
    // A token has no place in a URL, nor has a password.
    expect(faults('http://h?token=secret', {})).toEqual(['url']);
    expect(faults('http://user:word@h', {})).toEqual(['url']);
    expect(faults('ftp://h', {})).toEqual(['url']);
  });
});
