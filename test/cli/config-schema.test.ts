import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/cli/config-schema.js';

const faultsOf = (value: unknown): readonly string[] => {
  const parsed = parseConfig(value);
  return 'faults' in parsed ? parsed.faults : [];
};

describe('a config file', () => {
  it('may hold every setting at once', () => {
    const config = {
      server: 'http://127.0.0.1:7400',
      token: 'secret',
      timeout: '5s',
      dir: './data',
      shards: 2,
      source: 'me',
      defaultPersist: false,
      noPersistTopics: ['live.*'],
      retention: [
        { pattern: 'a.*', maxAgeMs: 1 },
        { maxBytes: 10 },
        { untilConsumedBy: ['mailer'] },
        { pattern: 'state.*', keepPerTopic: 1 },
      ],
      alerts: [
        { name: 'quiet', when: 'no event on a.* for 5 min', severity: 'info' },
        { name: 'behind', when: { kind: 'lag', above: 10 }, enabled: false },
      ],
      systemEvents: { persist: true, healthIntervalMs: 0, metricsIntervalMs: 5 },
      ringBytes: 65_536,
      commitBatchEvents: 10,
      maxPayloadBytes: 1000,
      maxShardBytes: 1e9,
      claimCheckBytes: 262_144,
      publishWaitMs: 0,
      dedupeWindowMs: 1000,
      dedupeIdsMax: 0,
      host: '::1',
      port: 0,
      gateways: 1,
      compression: true,
      allowedOrigins: ['https://app.example'],
      allowedHosts: ['events.example'],
      tls: { certFile: 'a', keyFile: 'b', passphrase: 'c' },
      auth: { keysFile: 'k', anonymous: { subscribe: ['a.*'] } },
      authenticateMs: 1,
      maxConnections: 1,
      maxConnectionsPerAddress: 1,
      maxConnectsPerSecond: 0,
      maxFailedSignInsPerSecond: 0,
      maxSubscriptions: 1,
      maxFrameBytes: 1024,
      maxOutboundBytes: 1024,
      maxPublishPerSecond: 0,
      maxSubscribePerSecond: 0,
      stallMs: 1,
      heartbeatMs: 1,
      logLevel: 'debug',
    };
    expect(parseConfig(config)).toEqual({ config });
    expect(parseConfig({})).toEqual({ config: {} });
    expect(faultsOf({ systemEvents: false })).toEqual([]);
    expect(faultsOf({ alerts: {} })).toEqual([
      'alerts: is an object, and should be a list of alert rules',
    ]);
    expect(faultsOf({ alerts: [{ name: 'a', when: 'lag over' }], port: -1 })).toEqual([
      'port: is -1, and should be a whole number from 0 to 65535',
      expect.stringMatching(/^alerts: rule 1: when: a number of events is missing/),
    ]);
  });

  it('is refused with all its faults, each with its place, the value found and the value expected', () => {
    expect(
      faultsOf({
        port: 'x',
        shards: 0,
        nonsense: 1,
        nonsens: 2,
        logLevel: 'loud',
        compression: 'yes',
        timeout: 'soon',
        server: 'ftp://x',
        noPersistTopics: ['a..b'],
        allowedOrigins: 'https://x',
        retention: [{ maxEvents: 1 }, {}, { maxAge: 5 }, { untilConsumedBy: [1] }],
        tls: { certFile: 'a' },
        auth: { anonymous: { publish: ['a..b'] }, jwt: { secret: 'short' } },
      }),
    ).toEqual([
      'server: is "ftp://x", and should be an address such as "http://127.0.0.1:7400"',
      'timeout: is "soon", and should be a duration from 1ms to 24d, such as "10s", or milliseconds',
      'shards: is 0, and should be a whole number from 1 to 16',
      'noPersistTopics.0: is "a..b", and should be a pattern such as "orders.*"',
      'retention.1: is an object, and should be a rule with maxAgeMs, maxEvents, maxBytes, keepPerTopic or untilConsumedBy',
      'retention.2.maxAge: is unknown (did you mean maxAgeMs?)',
      'retention.3.untilConsumedBy: is an array, and should be a list of 1 to 100 names of consumers',
      'port: is "x", and should be a whole number from 0 to 65535',
      'compression: is "yes", and should be true or false',
      'allowedOrigins: is "https://x", and should be a list of origins',
      'tls.keyFile: is missing',
      'logLevel: is "loud", and should be one of "debug", "info", "warn", "error"',
      'nonsense: is unknown',
      'nonsens: is unknown',
      expect.stringMatching(/^auth\.jwt\.secret: .*32 bytes/),
      expect.stringMatching(/^auth\.jwt\.issuer: /),
      expect.stringMatching(/^auth\.jwt\.audience: /),
      expect.stringMatching(/^auth\.anonymous\.publish\.0: /),
    ]);
  });

  it('is refused without showing its secrets', () => {
    const secret = 'mr_0123456789abcdef_hush';
    const faulty = [
      { token: { is: secret } },
      { tls: { certFile: 'a', keyFile: 'b', passphrase: [secret] } },
      { tls: [secret] },
      { auth: secret },
      { auth: { jwt: { secret } } },
      [secret],
    ];
    for (const value of faulty) {
      const faults = faultsOf(value).join('\n');
      expect(faults).not.toBe('');
      expect(faults).not.toContain('hush');
    }
  });
});
