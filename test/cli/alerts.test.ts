import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startServer, temporaryDirectory } from './support/command.js';

describe('the command alerts', () => {
  it('sets, lists and removes rules, beside those of the config file', async () => {
    const dir = temporaryDirectory();
    const config = join(dir, 'millrace.config.json');
    const fixed = [{ name: 'failures', when: 'any system_error on $sys.errors' }];
    writeFileSync(config, JSON.stringify({ alerts: fixed }));
    const server = await startServer(join(dir, 'data'), ['--shards', '1', '--config', config]);
    const when = 'no event on orders.* for 5 min';
    const set = await server.run(['alerts', 'set', 'quiet', when, '--severity', 'critical']);
    expect(set).toMatchObject({ code: 0, stdout: '', stderr: `millrace: quiet: ${when}\n` });
    const list = await server.run(['alerts']);
    expect(list.code).toBe(0);
    const [header, ...rows] = list.stdout.trimEnd().split('\n');
    expect(header).toMatch(/^name\s+state\s+since\s+severity\s+origin\s+when$/);
    expect(rows[0]).toMatch(
      /^failures\s+ok\s+warning\s+config\s+any system_error on \$sys\.errors$/,
    );
    expect(rows[1]).toMatch(/^quiet\s+(ok|pending)\s.*critical\s+stored\s+no event on orders\.\*/);
    const json = await server.run(['alerts', 'list', '--json']);
    const alerts = json.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(alerts).toMatchObject([{ name: 'failures' }, { name: 'quiet', enabled: true }]);
    const removed = await server.run(['alerts', 'remove', 'quiet']);
    expect(removed).toMatchObject({ code: 0, stderr: 'millrace: removed quiet\n' });
    const kept = JSON.parse(readFileSync(join(dir, 'data', 'alerts.json'), 'utf8'));
    expect(kept.rules).toEqual([]);
  });

  it('says what is wrong with a rule, as wrong usage', async () => {
    const server = await startServer();
    const bad = await server.run(['alerts', 'set', 'quiet', 'no event on orders.* for ever']);
    expect(bad.code).toBe(2);
    expect(bad.stderr).toContain('"ever" is not a time, such as "5 min"');
    expect(bad.stderr).toContain('ALERT_INVALID');
    const none = await server.run(['alerts', 'remove', 'none']);
    expect(none).toMatchObject({ code: 1, stderr: 'millrace: there is no alert "none"\n' });
  });
});
