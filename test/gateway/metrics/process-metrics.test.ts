import { PerformanceObserver } from 'node:perf_hooks';
import { queryObjects } from 'node:v8';
import { expect, it } from 'vitest';
import { GatewayMetrics } from '../../../src/gateway/metrics/gateway-metrics.js';
import { FakeEndpoint } from '../support/fake-endpoint.js';

const observers = (): number => queryObjects(PerformanceObserver, { format: 'count' });
const open = (): GatewayMetrics => new GatewayMetrics(new FakeEndpoint());

it('observe the thread once, however many gateways it has had', async () => {
  const first = open();
  const before = observers();
  const others = Array.from({ length: 5 }, open);
  expect(observers()).toBe(before);
  for (const gateway of [first, ...others]) {
    const { text } = await gateway.metrics();
    expect(text).toMatch(/^process_cpu_seconds_total \d/m);
    expect(text).toMatch(/^millrace_gateway_held_bytes 0$/m);
  }
});
