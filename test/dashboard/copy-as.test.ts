import { execFile } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Event } from 'millrace';
import { describe, expect, it } from 'vitest';
import { type BusClient, connect, payloadText } from '../../dist/client.js';
import { codeOf, commandOf, curlOf } from '../../src/dashboard/event/copy-as.js';
import { BIN, run, startServer, temporaryDirectory } from '../cli/support/command.js';
import { neededCommand } from '../support/needed-command.js';

/** What the page gives to be copied, run by a real shell against a real server. */

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const bash = neededCommand('bash', 'copied commands in a shell');
const curl = neededCommand('curl', 'copied commands in a shell');

const EVENT: Event = {
  id: 'seen',
  topic: 'orders.new',
  type: 'order_created',
  source: 'shop',
  timestamp: '2026-01-31T12:00:00.000Z',
  shard: 0,
  sequence: 1,
  payload: null,
};

const NASTY = `it's "$HOME" $(touch x) \`id\` \\ !! %s ; & | > < * ~ # é 😀`;
const CONTROLS = "line\nbreak\ttab\u001b[31mred\u007f\u0085\u2028\u202eend ' \\n\n";

const EVENTS: readonly { readonly name: string; readonly event: Event; readonly text: string }[] = [
  { name: 'a plain event', event: EVENT, text: '{"total":12.5}' },
  {
    name: 'numbers that JavaScript does not hold, and a member of objects',
    event: EVENT,
    text: '{"id":9007199254740993,"many":1e400,"__proto__":{"a":1}}',
  },
  {
    name: 'signs that mean something to a shell',
    event: {
      ...EVENT,
      topic: "-a'b.$(x).`y`",
      type: `t'"$HOME`,
      source: NASTY,
      correlationId: `-${NASTY}`,
      causationId: '-cause',
      attributes: { 'it is': NASTY, '--type': '', plain: 'a=b' },
    },
    text: JSON.stringify({ [NASTY]: NASTY }),
  },
  {
    name: 'control characters',
    event: { ...EVENT, source: CONTROLS, attributes: { key: CONTROLS } },
    text: JSON.stringify({ raw: CONTROLS }),
  },
  { name: 'a negative number', event: EVENT, text: '-5' },
  { name: 'a text', event: EVENT, text: '"-"' },
  { name: 'a large payload', event: EVENT, text: JSON.stringify(`EOF\n${'x'.repeat(200_000)}`) },
];

async function shell(line: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const bin = temporaryDirectory();
  writeFileSync(join(bin, 'millrace'), `#!/bin/sh\nexec '${process.execPath}' '${BIN}' "$@"\n`);
  chmodSync(join(bin, 'millrace'), 0o755);
  const path = bin + delimiter + process.env.PATH;
  const options = { env: { ...process.env, ...env, PATH: path }, cwd: bin };
  // From a file: a line may be longer than an argument.
  writeFileSync(join(bin, 'line'), `${line}\n`);
  const { stdout, stderr } = await promisify(execFile)(bash!, ['line'], options);
  return stdout + stderr;
}

/** The newest event of a topic, as the server has it. */
async function newest(client: BusClient, topic: string): Promise<Event | undefined> {
  const [event] = await client.query({ topic, reverse: true, limit: 1 });
  return event && client.get(topic, event.id);
}

function fieldsOf(event: Event | undefined) {
  const { topic, type, source, correlationId, causationId, attributes } = event!;
  return { topic, type, source, correlationId, causationId, attributes };
}

describe.runIf(bash !== undefined && curl !== undefined)('a copied event', () => {
  it('is published again by curl, by the command line and by code, whatever it holds', async () => {
    const server = await startServer();
    await using client = connect(server.url);
    let sequence = 0;
    const check = async (name: string, event: Event, text: string): Promise<void> => {
      const made = await newest(client, event.topic);
      expect(fieldsOf(made), name).toEqual(fieldsOf(event));
      expect(JSON.parse(payloadText(made!)), name).toEqual(JSON.parse(text));
      expect(made!.id).not.toBe(event.id);
      sequence++;
    };
    for (const { name, event, text } of EVENTS) {
      const source = { event, payloadText: text, url: server.url, needsToken: false };
      await shell(curlOf(source));
      await check(`curl: ${name}`, event, text);
      await shell(commandOf(source)!);
      await check(`command: ${name}`, event, text);
    }
    expect((await client.stats()).published).toBe(sequence);
    // The exact text, too.
    const { event, text } = EVENTS[1]!;
    await shell(curlOf({ event, payloadText: text, url: server.url, needsToken: false }));
    expect(payloadText((await newest(client, event.topic))!)).toBe(text);
  });

  it('is published again by code', async () => {
    const server = await startServer();
    await using client = connect(server.url);
    for (const { name, event, text } of [EVENTS[1]!, EVENTS[2]!, EVENTS[3]!]) {
      const code = codeOf({ event, payloadText: text, url: server.url, needsToken: false });
      const args = ['--input-type=module', '-e', code];
      await promisify(execFile)(process.execPath, args, { cwd: ROOT });
      const made = await newest(client, event.topic);
      expect(fieldsOf(made), name).toEqual(fieldsOf(event));
      // Code has the numbers of JavaScript.
      expect(made!.payload, name).toEqual(JSON.parse(JSON.stringify(JSON.parse(text))));
    }
  });

  it('takes the token from the environment, and never holds it', async () => {
    const dir = temporaryDirectory();
    const keys = join(dir, 'keys.json');
    const grants = ['--name', 'app', '--publish', '*', '--subscribe', '*'];
    const made = await run(['token', 'key', ...grants, '--keys-file', keys, '--json']);
    const { key } = JSON.parse(made.stdout);
    const server = await startServer(dir, ['--keys-file', keys]);
    const source = { event: EVENT, payloadText: '1', url: server.url, needsToken: true };
    for (const line of [curlOf(source), commandOf(source)!]) {
      expect(await shell(line, { MILLRACE_TOKEN: key })).toContain('01');
    }
    const options = { cwd: ROOT, env: { ...process.env, MILLRACE_TOKEN: key } };
    const args = ['--input-type=module', '-e', codeOf(source)];
    await promisify(execFile)(process.execPath, args, options);
    await using client = connect(server.url, { getToken: () => key });
    expect(await client.query({ topic: '*' })).toHaveLength(3);
  });

  it('that was ephemeral stays ephemeral, and one with a NUL has no command', async () => {
    const server = await startServer();
    const { sequence: _, ...event } = EVENT;
    const source = { event, payloadText: '1', url: server.url, needsToken: false };
    await shell(curlOf(source));
    await shell(commandOf(source)!);
    await using client = connect(server.url);
    const { published, shards } = await client.stats();
    expect([published, shards.reduce((sum, { ephemeral }) => sum + ephemeral, 0)]).toEqual([2, 2]);
    expect(await client.query({ topic: '*' })).toEqual([]);
    expect(commandOf({ ...source, event: { ...EVENT, source: 'a\0b' } })).toBeUndefined();
  });
});
