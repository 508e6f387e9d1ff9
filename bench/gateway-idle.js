import { once } from 'node:events';
import { WebSocket } from 'ws';

/** The clients of `bench/gateway-connections.js`: they connect, subscribe, and do nothing. */

/** @typedef {{ type: 'setups' | 'open' | 'close', url: string, count: number }} Task */

/** How many connections are set up at a time. */
const AT_ONCE = 32;

/** @type {WebSocket[]} */
const open = [];

/** @param {string} url */
async function connect(url) {
  const socket = new WebSocket(url, ['millrace.v1'], { perMessageDeflate: false });
  const subscribed = new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('unexpected-response', (_, response) =>
      reject(new Error(`refused with ${response.statusCode}`)),
    );
    socket.on('message', (data) => {
      const { type, payload } = JSON.parse(String(data));
      if (type === 'subscribed') resolve(undefined);
      else if (type === 'error') reject(new Error(payload.message));
    });
  });
  socket.once('open', () => {
    const payload = { subscription: 'idle', filter: 'load.*' };
    socket.send(JSON.stringify({ type: 'subscribe', requestId: 1, payload }));
  });
  await subscribed;
  return socket;
}

/** @param {WebSocket} socket */
async function close(socket) {
  socket.close();
  await once(socket, 'close');
}

/** @param {Task} task */
async function run({ type, url, count }) {
  if (type === 'setups') {
    const times = [];
    for (let i = 0; i < count; i += 1) {
      const started = performance.now();
      const socket = await connect(url);
      times.push(performance.now() - started);
      await close(socket);
    }
    return { times };
  }
  if (type === 'close') {
    await Promise.all(open.splice(0).map(close));
    return {};
  }
  while (open.length < count) {
    const some = Math.min(AT_ONCE, count - open.length);
    open.push(...(await Promise.all(Array.from({ length: some }, () => connect(url)))));
  }
  return {};
}

process.on('message', (task) => {
  run(/** @type {Task} */ (task)).then(
    (answer) => process.send?.(answer),
    (error) => process.send?.({ error: error.message }),
  );
});
