import { pathToFileURL } from 'node:url';
import { Actors } from './actors/actors.js';
import { doorOf } from './actors/doors.js';
import { HttpDoor } from './actors/http-door.js';
import { planOf } from './plan.js';

/**
 * A process of clients: `node client.js OPTIONS`, which are `{ name, seed, changes, url, folder, client, phase }`: `client` is
 * the module of the client, `folder` that of the histories. The host `http` speaks HTTP, any other the client's WebSocket.
 */
const { name, seed, changes, url, folder, client, phase } = JSON.parse(process.argv[2]);
// Nobody waits for a process whose parent has ended, which may have happened while this one started.
process.on('disconnect', () => process.exit(0));
if (!process.connected) process.exit(0);
const plan = planOf(seed, changes);

async function open(onConnected) {
  if (name === 'http') return new HttpDoor(url);
  const { connect, withPayloadText } = await import(pathToFileURL(client).href);
  const bus = connect(url, {
    reconnectBaseMs: 50,
    reconnectFloorMs: 10,
    reconnectMaxMs: 500,
    requestTimeoutMs: 0,
    heartbeatMs: 2000,
    onError: () => {},
  });
  bus.on('state', ({ state }) => {
    if (state === 'connected') onConnected();
  });
  return doorOf(bus, withPayloadText);
}

/** @type {Actors | undefined} */
let actors;
const bus = await open(() => actors?.noteConnected());
const tell = (message) => process.send?.(message, undefined, undefined, () => {});
actors = new Actors({ bus, plan, host: name, folder, tell });
const enter = (next) => {
  actors?.enter(next);
  if (next === 'end') process.exit(0);
};
process.on('message', (/** @type {{ phase: string }} */ message) => enter(message.phase));
actors.run();
enter(phase);
tell({ ready: true });
