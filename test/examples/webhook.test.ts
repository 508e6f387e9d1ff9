import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openTestBus } from '../bus/support/open.js';
import { until, within } from '../bus/support/wait.js';
import { outcomeOf } from '../cli/support/command.js';
import { blocksOf, ROOT } from '../docs/samples.js';
import { webhook } from '../sinks/built.js';

/** Somebody who begins: the two programs of `examples/webhook`, and the receiver of docs/CONSUMERS.md as it stands. */

const scriptOf = (name: string): string =>
  fileURLToPath(new URL(`../../examples/webhook/${name}`, import.meta.url));

/** Runs a program, and collects its lines. */
function program(args: readonly string[], env: Record<string, string>, input?: string) {
  const child = spawn(process.execPath, args, { cwd: ROOT, env: { ...process.env, ...env } });
  onTestFinished(() => void child.kill());
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  if (input !== undefined) child.stdin.end(input);
  return { child, lines };
}

const SECRET = `whsec_${Buffer.alloc(32, 3).toString('base64')}`;

describe('examples/webhook', () => {
  it('tells of each order once and in order, although the receiver is busy at times', async () => {
    const env = { WEBHOOK_SECRET: SECRET };
    const { lines } = program([scriptOf('receiver.js'), '0'], env);
    await until('the receiver listens', () => lines.length === 1);
    const [, url] = /^listening on (.*)$/.exec(lines[0]!)!;
    const shop = spawn(process.execPath, [scriptOf('shop.js'), url!], {
      env: { ...process.env, ...env },
    });
    const { code, stdout, stderr } = await within('its end', outcomeOf(shop));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(lines.slice(1)).toEqual([
      'orders.new: order 0 for 12.5',
      'orders.new: order 1 for 30',
      'orders.new: order 2 for 7',
    ]);
    expect(stdout).toContain('HTTP 503 Service Unavailable: busy, come again');
    expect(stdout).toMatch(/3 told, after [1-9]\d* failures/);
  });
});

describe('the receiver of docs/CONSUMERS.md', () => {
  it('takes what webhook has signed, and nothing that somebody else has sent', async () => {
    const [guide] = blocksOf('docs/CONSUMERS.md', 'js').filter(({ text }) =>
      text.includes('standardwebhooks'),
    );
    const text = guide!.text.replace(
      '.listen(8080)',
      '.listen(0, function () { console.log(this.address().port); })',
    );
    const { lines } = program(['--input-type=module'], { ACME_SECRET: SECRET }, text);
    await until('it listens', () => lines.length === 1);
    const url = `http://127.0.0.1:${lines[0]}/`;
    const bus = await openTestBus({ dir: ':memory:', shards: 1 });
    const consumer = await bus.consumer('hooks', { filter: '*' });
    const sink = webhook({ consumer, url, secret: SECRET, allow: ['loopback'] });
    const { id } = await bus.publish({ topic: 'orders.new', type: 'order', payload: { n: 1 } });
    await until('it is acknowledged', async () => (await consumer.info()).acked === 1);
    await sink.stop();
    await until('it is printed', () => lines.length > 1);
    expect(lines[1]).toContain(id);
    const forged = new Webhook(Buffer.alloc(32, 4).toString('base64'));
    const headers = {
      'webhook-id': 'x',
      'webhook-timestamp': String(Math.floor(Date.now() / 1000)),
      'webhook-signature': forged.sign('x', new Date(), '{}'),
    };
    expect((await fetch(url, { method: 'POST', body: '{}', headers })).status).toBe(401);
  });
});
