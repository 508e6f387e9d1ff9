import { type BusClient, connect } from 'millrace/client';

/** A page that its server refuses; it shows what the client reports. */

interface Told {
  readonly state: string;
  readonly code?: string;
  readonly details?: unknown;
}

let client: BusClient | undefined;
let states: Told[] = [];
let errors: unknown[] = [];

Object.assign(globalThis, {
  millraceTest: {
    begin: (server: string, token: string | null) => {
      void client?.close();
      states = [];
      errors = [];
      client = connect(server, {
        reconnectBaseMs: 20,
        reconnectMaxMs: 100,
        onError: ({ code, cause }) => {
          errors.push({ code, cause: (cause as { code?: string } | undefined)?.code });
        },
        ...(token !== null && { getToken: () => token }),
      });
      client.on('state', ({ state, error }) => {
        states.push({
          state,
          ...(error !== undefined && { code: error.code, details: error.details ?? {} }),
        });
      });
      client.subscribe('a');
    },
    states: () => states,
    errors: () => errors,
  },
});
