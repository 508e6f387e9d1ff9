import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { runCommand } from '../../stage/server.js';

/** Commands to the terminal of an operator, in texts that the command line prints. */

/** The title of the window, a colour, the same in one byte, a hidden line, text that runs the other way. */
const NASTY =
  '\u001b]0;pwned\u0007\u001b[31mred\u009b32mgreen\u007f\u202eevil\u2066x\u2028line\u200e';
/** Those that a name may hold: JSON need not escape them, and topics refuse the others. */
const IN_NAMES = 'x\u202eevil\u2066x\u200e';
/** Line ends are taken out before. */
const OBEYED = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

function assertTame(printed, what) {
  const text = printed.replaceAll('\n', ' ');
  const found = OBEYED.exec(text);
  if (found === null) return;
  const near = JSON.stringify(text.slice(Math.max(0, found.index - 60), found.index + 60));
  assert.fail(`${what} prints U+${found[0].charCodeAt(0).toString(16)} in ${near}`);
}

/** Runs a command on a terminal of `script`, and returns what that terminal got. */
function onTerminal(args, env) {
  const quoted = args.map((arg) => `'${arg}'`).join(' ');
  const child = spawn('script', ['-qec', quoted, '/dev/null'], {
    env: { ...process.env, ...env, NO_COLOR: '1', TERM: 'dumb' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece) => (text += piece));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve(text));
  });
}

async function plant(stage) {
  const topic = `public.${IN_NAMES}`;
  // As text, so that the characters stand in the payload as they are.
  const payload = `{"note":${JSON.stringify(NASTY)}}`;
  const event = {
    topic,
    source: NASTY.replaceAll(/[\p{Cc}\u2028]/gu, ''),
    attributes: { note: NASTY },
    type: 't',
  };
  const body = JSON.stringify([{ ...event, payload: 0 }]).replace(
    '"payload":0',
    `"payload":${payload}`,
  );
  const { status, text } = await stage.ask('mallory', {
    method: 'POST',
    path: '/v1/events',
    body,
    headers: { 'content-type': 'application/json' },
  });
  assert.equal(status, 200, text);
  return topic;
}

export const attacks = [
  {
    name: 'escapes in events, on the terminal of who reads them',
    wants: "to command the operator's terminal through an event's fields",
    async play(stage) {
      const topic = await plant(stage);
      const name = `alice.${stage.fresh('t')}`;
      await stage.ask('operator', {
        method: 'PUT',
        path: `/v1/consumers/${name}`,
        body: { filter: topic, from: 'earliest', maxAttempts: 1 },
      });
      const pulled = await stage.ask('operator', {
        method: 'POST',
        path: `/v1/consumers/${name}/pull`,
        body: { waitMs: 10_000 },
      });
      await stage.ask('operator', {
        method: 'POST',
        path: `/v1/consumers/${name}/term`,
        body: { lease: pulled.body[0].lease, reason: NASTY },
      });
      const socket = await stage.socket('mallory', {
        headers: { 'user-agent': 'x\u009b31m\u0085y' },
      });
      await socket.one('subscribe', { subscription: NASTY, filter: 'public.*' });
      const env = { MILLRACE_SERVER: stage.server.url, MILLRACE_TOKEN: stage.tokens.operator };
      const commands = [
        ['query', topic],
        ['topics'],
        ['consumers', 'dead', name],
        ['connections'],
        ['stats'],
        ['sub', topic, '--from', 'earliest', '--count', '1'],
        ['top', '--count', '1', '--plain'],
      ];
      for (const { args, code, stdout, stderr } of await Promise.all(
        commands.map(async (args) => ({
          args,
          ...(await runCommand(args, { env, dist: stage.dist })),
        })),
      )) {
        assertTame(stdout, `millrace ${args.join(' ')}`);
        assertTame(stderr, `millrace ${args.join(' ')} (stderr)`);
        if (args[0] !== 'top') assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
      }
    },
  },
  {
    name: 'escapes in the answer of a responder',
    wants: 'to command the terminal of who asks a question',
    async play(stage) {
      const socket = await stage.socket('mallory');
      await socket.one('respond', { responder: 'r', pattern: 'public.ask.*' });
      const env = { MILLRACE_SERVER: stage.server.url, MILLRACE_TOKEN: stage.tokens.alice };
      const asked = runCommand(['request', 'public.ask.a', '1'], { env, dist: stage.dist });
      const { payload } = await socket.next(({ type }) => type === 'question');
      socket.send({
        type: 'answer',
        payload: {
          question: payload.question,
          error: { message: `${NASTY}\nmillrace: all is well`, code: 'x' },
        },
      });
      const { code, stderr, stdout } = await asked;
      assert.equal(code, 1, stderr);
      assertTame(stderr, 'the failure of a responder');
      assert.doesNotMatch(stderr, /^millrace: all is well/m);
      assertTame(stdout, 'the answer of a responder');
    },
  },
  {
    name: 'escapes in JSON, on a terminal',
    wants:
      "to command the operator's terminal through JSON, in which some characters need no escape",
    async play(stage) {
      const topic = await plant(stage);
      const env = { MILLRACE_SERVER: stage.server.url, MILLRACE_TOKEN: stage.tokens.operator };
      const bin = stage.server.child.spawnargs[1];
      const text = await onTerminal([process.execPath, bin, 'query', topic, '--json'], env);
      // The terminal itself ends lines with a carriage return.
      assertTame(text.replaceAll('\r\n', '\n'), 'query --json');
      assert.deepEqual(JSON.parse(text.trim().split('\n').at(-1)).payload, { note: NASTY });
    },
  },
];
