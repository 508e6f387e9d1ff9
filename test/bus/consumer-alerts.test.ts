import { describe, expect, it } from 'vitest';
import type { AlertInfo, Bus } from '../../src/index.js';
import { publishJobs, workerOf } from './consumers/support.js';
import { controls } from './support/millrace.js';
import { openTestBus } from './support/open.js';
import { Gate, until } from './support/wait.js';

const RULES = [
  ['behind', 'consumer worker pending over 9 for 60 s'],
  ['busy', 'consumer worker in flight over 0'],
  ['old', 'consumer worker oldest age over 0 s'],
  ['dead', 'consumer worker dead over 0'],
  ['blocked', 'consumer worker blocked'],
] as const;

async function openByHand(): Promise<Bus> {
  const bus = await openTestBus({ shards: 2 });
  await controls(bus).judgeAlerts();
  for (const [name, when] of RULES) await bus.setAlert({ name, when });
  return bus;
}

/** Judges the rules, after it has set their clock ahead. */
async function judged(bus: Bus, aheadMs = 0): Promise<Record<string, AlertInfo>> {
  await controls(bus).judgeAlerts(aheadMs);
  const { alerts } = await bus.alerts();
  return Object.fromEntries(alerts.map((alert) => [alert.name, alert]));
}

describe('an alert on a consumer', () => {
  it('fires while the consumer is behind for its time, and resolves once it has caught up', async () => {
    const bus = await openByHand();
    const missing = { state: 'ok', fault: 'there is no consumer "worker"' };
    const atFirst = await judged(bus);
    for (const [name] of RULES) expect(atFirst[name]).toMatchObject(missing);
    const worker = await workerOf(bus);
    await publishJobs(bus, 10);
    const begun = await judged(bus);
    expect(begun.behind).toMatchObject({ state: 'pending', value: 10 });
    expect(begun.behind).not.toHaveProperty('fault');
    expect((await judged(bus, 60_000)).behind).toMatchObject({ state: 'firing', value: 10 });
    const gate = new Gate();
    const run = worker.run(() => gate.opened, { concurrency: 2 });
    await until('events are in hand', async () => (await judged(bus)).busy!.state === 'firing');
    gate.open();
    await until('it has caught up', async () => {
      const { behind, busy } = await judged(bus);
      return behind!.state === 'ok' && busy!.state === 'ok';
    });
    await run.stop();
    const { transitions } = await bus.alerts();
    const told = transitions.filter(({ rule }) => rule.name === 'behind');
    expect(told.map(({ state }) => state)).toEqual(['firing', 'resolved']);
    expect(told[0]!.text).toBe('consumer worker pending over 9 for 1 min: 10 pending');
  });

  it('sees dead events and a paused consumer, and resolves when the consumer is deleted', async () => {
    const bus = await openByHand();
    const worker = await workerOf(bus);
    await publishJobs(bus, 1);
    const run = worker.run((delivery) => delivery.term('no'));
    await until('it is dead', async () => (await worker.info()).dead === 1);
    await run.stop();
    await worker.pause();
    await publishJobs(bus, 1);
    await until('it is blocked', async () => (await judged(bus)).blocked!.state === 'firing');
    expect((await judged(bus)).dead).toMatchObject({ state: 'firing', value: 1 });
    await worker.delete();
    const after = await judged(bus);
    const fault = 'there is no consumer "worker"';
    for (const name of ['dead', 'blocked'])
      expect(after[name]).toMatchObject({ state: 'ok', fault });
  });
});
