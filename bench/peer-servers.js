import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as afterMs } from 'node:timers/promises';
import { freePort } from '../fuzz/brokers/free-port.js';
import { CheckFailed } from './harness.js';

/**
 * The servers that Millrace's consumers are compared with, each on a free port of this machine and on a directory of the
 * bench, as their packages in Debian install them: `apt-get install redis-server nats-server`.
 */

/**
 * Redis with an append-only file that is flushed once a second, the setting that BullMQ's guide for production asks for.
 * @param {string} dir
 */
export function startRedis(dir) {
  return start('redis-server', (port) => [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--loglevel', 'warning'],
    ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', ''],
    ...['--maxmemory-policy', 'noeviction'],
  ]);
}

/**
 * NATS with JetStream on the disk. It flushes every two minutes, its default.
 * @param {string} dir
 */
export function startNats(dir) {
  return start('nats-server', (port) => [
    ...['--jetstream', '--store_dir', dir, '--addr', '127.0.0.1', '--port', String(port)],
  ]);
}

/**
 * @param {string} command
 * @param {(port: number) => string[]} args
 */
async function start(command, args) {
  const port = await freePort();
  const child = spawn(command, args(port), { stdio: 'ignore' });
  const missing = once(child, 'error').then(() => {
    throw new CheckFailed(`${command} is not installed: apt-get install ${command}`);
  });
  const exited = once(child, 'exit');
  missing.catch(() => {});
  await Promise.race([missing, once(child, 'spawn')]);
  while (!(await listens(port))) await afterMs(20);
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
  };
  return { port, pid: /** @type {number} */ (child.pid), stop };
}

/** @param {number} port @returns {Promise<boolean>} */
async function listens(port) {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
