import { BusClient } from '../client/bus-client.js';
import { openSocket } from '../client/node-socket.js';
import type { StateChange } from '../client/reconnector.js';
import { COMMAND_FRAME_BYTES_MAX } from '../protocol/limits/cli.js';
import type { ServerSettings } from './config.js';
import { notify } from './failure.js';
import { connectionFailure } from './session.js';

/** A client that is connected: the first connection has to be made, later ones are tried for as long as it takes. */
export async function workingClient(options: ServerSettings): Promise<BusClient> {
  const { server, token, timeout } = options;
  const client = new BusClient(openSocket, server, {
    ...(token === undefined ? {} : { getToken: () => token }),
    connectTimeoutMs: timeout,
    requestTimeoutMs: timeout,
    maxFrameBytes: COMMAND_FRAME_BYTES_MAX,
    onError: (error) => notify(`${error.message} (${error.code})`),
  });
  await new Promise<void>((resolve, reject) => {
    client.on('state', function onState({ state, error }: StateChange): void {
      if (state === 'connected') resolve();
      else if (error !== undefined) reject(connectionFailure(error, options));
      else return;
      client.off('state', onState);
    });
  }).catch(async (error: unknown) => {
    await client.close();
    throw error;
  });
  client.on('state', ({ state, previous, error }) => {
    if (state === 'reconnecting' && previous === 'connected') {
      notify(`${error === undefined ? 'the connection is lost' : error.message}; trying again`);
    } else if (state === 'connected') notify(`connected to ${server} again`);
  });
  return client;
}
