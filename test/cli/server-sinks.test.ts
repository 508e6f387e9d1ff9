import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { until } from '../bus/support/wait.js';
import { accept, answer, startReceiver } from '../sinks/webhook/support/receiver.js';
import { run, startServer, type TestServer, temporaryDirectory } from './support/command.js';

/** `millrace serve` with sinks in its config file. */

const SECRET = `whsec_${Buffer.alloc(32, 5).toString('base64')}`;

function configFile(sinks: object): string[] {
  const file = join(temporaryDirectory(), 'millrace.config.json');
  writeFileSync(file, JSON.stringify({ sinks, systemEvents: { persist: true } }));
  return ['--config', file];
}

const hookTo = (url: string, more: object = {}) => ({
  kind: 'webhook',
  consumer: { filter: 'orders.*', from: 'earliest', backoffMs: [10], maxAttempts: 1000 },
  url,
  secret: { env: 'HOOK_SECRET' },
  allow: ['loopback'],
  ...more,
});

const env = { HOOK_SECRET: SECRET };
const publish = (server: TestServer, payload: string) => server.run(['pub', 'orders.new', payload]);
const metricsOf = async (server: TestServer) => (await fetch(`${server.url}/metrics`)).text();

describe('a server with sinks', () => {
  it('runs them from its file, in front of and behind a restart, and stops them cleanly', async () => {
    const receiver = await startReceiver();
    const there = await startServer();
    const trail = join(temporaryDirectory(), 'trail');
    const config = configFile({
      hook: hookTo(receiver.url),
      trail: { kind: 'audit', consumer: { filter: 'orders.*', from: 'earliest' }, path: trail },
      there: {
        kind: 'forward',
        consumer: { filter: 'orders.*', from: 'earliest', order: 'topic' },
        to: { url: there.url },
        here: 'here',
        there: 'there',
      },
    });
    const dir = temporaryDirectory();
    for (const round of [1, 2]) {
      const server = await startServer(dir, config, env);
      await publish(server, String(round));
      await until('the webhook is sent', () => receiver.received.length === round);
      await until('the line is written', async () => {
        const { stdout } = await run(['verify-audit', trail, '--json']);
        return stdout !== '' && JSON.parse(stdout).events === round;
      });
      await until('the event is there', async () => {
        const { stdout } = await there.run(['query', 'orders.*', '--json']);
        return stdout.trim().split('\n').filter(Boolean).length === round;
      });
      await until('the figures are noted', async () =>
        /^millrace_sink_done_total\{sink="hook",kind="webhook"\} 1$/m.test(await metricsOf(server)),
      );
      expect(await metricsOf(server)).toMatch(/^millrace_sink_up\{sink="trail",kind="audit"\} 1$/m);
      expect(await server.stop()).toBe(0);
      const messages = server.logs.map(({ msg }) => msg);
      for (const name of ['hook', 'trail', 'there']) {
        expect(messages).toContain(`sink ${name} runs`);
        expect(messages).toContain(`sink ${name} has stopped`);
      }
      expect(JSON.stringify(server.logs)).not.toContain(SECRET.slice(6));
    }
    const [{ body, headers }] = receiver.received as [(typeof receiver.received)[0]];
    expect(new Webhook(SECRET).verify(body, headers)).toMatchObject({ payload: 1 });
  });

  it('carries out a changed definition of a consumer', async () => {
    const receiver = await startReceiver();
    const dir = temporaryDirectory();
    const first = await startServer(dir, configFile({ hook: hookTo(receiver.url) }), env);
    await until('the consumer is there', async () =>
      (await first.run(['consumers', '--json'])).stdout.includes('hook'),
    );
    await first.stop();
    const consumer = { filter: 'invoices.*', from: 'earliest', maxAttempts: 2 };
    const second = await startServer(
      dir,
      configFile({ hook: hookTo(receiver.url, { consumer }) }),
      env,
    );
    await second.run(['pub', 'invoices.new', '7']);
    await until('the webhook is sent', () => receiver.received.length === 1);
    await second.stop();
  });

  it('logs failures of events, tells of a sink that has failed, and goes on with the others', async () => {
    const [good, gone] = [await startReceiver(), await startReceiver(answer(410))];
    const flaky = await startReceiver((one, response, index) =>
      (index === 0 ? answer(500, 'no') : accept)(one, response, index),
    );
    const config = configFile({
      good: hookTo(good.url),
      flaky: hookTo(flaky.url),
      gone: hookTo(gone.url),
    });
    const server = await startServer(undefined, config, env);
    await publish(server, '1');
    const logged = (pattern: RegExp) => server.logs.find(({ msg }) => pattern.test(msg));
    await until(
      'the end is logged',
      () => logged(/^sink gone has failed: .*410 Gone$/) !== undefined,
    );
    await until('all are sent', () => good.received.length === 1 && flaky.received.length === 2);
    expect(logged(/^webhook flaky: HTTP 500 Internal Server Error: no$/)).toMatchObject({
      level: 'warn',
      sink: 'flaky',
      code: 'SINK_FAILED',
    });
    expect(logged(/^sink gone has failed/)).toMatchObject({ level: 'error', isGivenUp: true });
    const { stdout } = await server.run(['query', '$sys.sink.*', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      topic: '$sys.sink.gone',
      type: 'sink_failed',
      payload: { sink: 'gone', kind: 'webhook', error: { code: 'ENDPOINT_GONE' }, isGivenUp: true },
    });
    await until('the figures are noted', async () =>
      /^millrace_sink_up\{sink="gone",kind="webhook"\} 0$/m.test(await metricsOf(server)),
    );
    expect(gone.received).toHaveLength(1);
    expect(await server.stop()).toBe(0);
  });

  it('stops with 1 where a sink has failed that it must not be without', async () => {
    const gone = await startReceiver(answer(410));
    const config = configFile({ gone: hookTo(gone.url, { onFailure: 'stop' }) });
    const server = await startServer(undefined, config, env);
    await publish(server, '1');
    expect((await server.ended).code).toBe(1);
    expect(server.logs.at(-1)!.msg).toMatch(/stopped, as sink gone has failed: .*410 Gone/);
  });

  it('starts a sink of a module again after it has failed, and stops it', async () => {
    const folder = temporaryDirectory();
    const module = join(folder, 'sink.mjs');
    const note = join(folder, 'note');
    writeFileSync(
      module,
      `import { appendFileSync } from 'node:fs';
       let starts = 0;
       export default ({ name, consumer, options, onError }) => {
         if (starts++ === 0) throw new Error('the database is away');
         const write = (text) => appendFileSync(options.note, text + '\\n');
         let end;
         const closed = new Promise((resolve) => { end = resolve; });
         const run = consumer.run(({ event }) => write(name + ' ' + event.payload + ' ' + options.word));
         const stop = async () => { await run.stop(); write('stopped'); end(); };
         const info = () => ({ kind: 'own', name, state: 'running', done: 0, failed: 0 });
         return { ready: Promise.resolve(), closed, info, stop };
       };`,
    );
    const config = configFile({
      mine: {
        kind: 'module',
        module,
        consumer: { filter: 'orders.*', from: 'earliest' },
        options: { note, word: { env: 'HOOK_SECRET' } },
      },
    });
    const server = await startServer(undefined, config, env);
    await publish(server, '"one"');
    const text = () => {
      try {
        return readFileSync(note, 'utf8');
      } catch {
        return '';
      }
    };
    await until('it has the event', () => text() !== '');
    expect(await server.stop()).toBe(0);
    expect(text()).toBe(`mine one ${SECRET}\nstopped\n`);
    const failure = server.logs.find(({ msg }) => msg.includes('has failed'));
    expect(failure).toMatchObject({
      msg: 'sink mine has failed: the database is away',
      sink: 'mine',
    });
  });

  it('refuses a file with faulty sinks, and makes no directory', async () => {
    const dir = join(temporaryDirectory(), 'data');
    const config = configFile({
      a: hookTo('https://me:pw@example.com/'),
      b: { kind: 'audit', consumer: { filter: '*' }, path: 'x', key: { env: 'UNSET_KEY' } },
    });
    const outcome = await run(['serve', '--dir', dir, '--port', '0', ...config], { env });
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toMatch(/sinks\.a\.url: has a user name or a password/);
    expect(outcome.stderr).toMatch(/sinks\.b\.key: the environment variable UNSET_KEY is not set/);
    expect(outcome.stderr).not.toContain('pw');
    expect(() => readFileSync(dir)).toThrow(/ENOENT/);
  });
});
