import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startServer, temporaryDirectory } from './support/command.js';

describe('the commands for what is published later', () => {
  it('publish with a delay, list what waits, and cancel it', async () => {
    const server = await startServer();
    const pub = await server.run(['pub', 'mail.a', '1', '--id', 'x', '--delay', '1h']);
    expect(pub).toMatchObject({ code: 0, stdout: expect.stringMatching(/^x\s+waits until .*Z/) });
    const at = '2099-01-01T00:00:00Z';
    const json = await server.run(['pub', 'mail.b', '1', '--deliver-at', at, '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ deliverAt: '2099-01-01T00:00:00.000Z' });
    const list = await server.run(['scheduled', '--topic', 'mail.a']);
    const [header, row, ...more] = list.stdout.trimEnd().split('\n');
    expect(header).toMatch(/^due\s+id\s+topic\s+type\s+source\s+published$/);
    expect(row).toMatch(/Z\s+x\s+mail\.a\s+user_input\s+cli\s/);
    expect(more).toEqual([]);
    const all = await server.run(['scheduled', 'list', '--json', '--count', '5']);
    expect(all.stdout.trimEnd().split('\n')).toHaveLength(2);
    const cancel = await server.run(['scheduled', 'cancel', 'x']);
    expect(cancel).toMatchObject({ code: 0, stderr: 'millrace: cancelled x\n' });
    const again = await server.run(['scheduled', 'cancel', 'x']);
    expect(again).toMatchObject({ code: 1, stderr: 'millrace: no publish with the id x waits\n' });
    expect((await server.run(['pub', 'a', '1', '--deliver-at', '1h'])).code).toBe(2);
  });

  it('set, list, show, pause, resume and delete schedules, beside those of the config file', async () => {
    const dir = temporaryDirectory();
    const config = join(dir, 'millrace.config.json');
    const event = { topic: 'jobs.a', type: 'job_due', payload: null };
    writeFileSync(config, JSON.stringify({ schedules: { fixed: { everyMs: 86_400_000, event } } }));
    const server = await startServer(join(dir, 'data'), ['--shards', '1', '--config', config]);
    const cron = ['--cron', '0 9 * * 1-5', '--time-zone', 'Europe/Berlin'];
    const set = await server.run(['schedules', 'set', 'work', 'jobs.b', '{"n":1}', ...cron]);
    expect(set).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^millrace: work: 0 9 \* \* 1-5 \(Europe\/Berlin\), next at /),
    });
    const list = await server.run(['schedules']);
    const [header, ...rows] = list.stdout.trimEnd().split('\n');
    expect(header).toMatch(/^name\s+when\s+next\s+fired\s+last\s+topic$/);
    expect(rows[0]).toMatch(/^fixed\s+every 1 d\s+\S+T00:00:00\.000Z\s+0\s+jobs\.a$/);
    expect(rows[1]).toMatch(/^work\s/);
    const next = await server.run(['schedules', 'next', 'work', '--count', '3']);
    expect(next.stdout.trimEnd().split('\n')).toHaveLength(3);
    expect((await server.run(['schedules', 'pause', 'work'])).stderr).toMatch(/work is paused/);
    expect((await server.run(['schedules', 'resume', 'work'])).stderr).toMatch(/next at/);
    const json = await server.run(['schedules', 'list', '--json']);
    expect(json.stdout.split('\n')[1]).toContain('"payload":{"n":1}');
    expect((await server.run(['schedules', 'delete', 'work'])).stderr).toMatch(/deleted work/);
    const gone = await server.run(['schedules', 'delete', 'work']);
    expect(gone).toMatchObject({ code: 1, stderr: 'millrace: there is no schedule "work"\n' });
    const none = await server.run(['schedules', 'next', 'work']);
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('SCHEDULE_UNKNOWN')]);
    expect((await server.run(['schedules', 'set', 'a', 'b'])).code).toBe(2);
  });
});
