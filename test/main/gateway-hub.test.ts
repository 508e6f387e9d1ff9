import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Caller } from '../../src/link/port-calls.js';
import { GatewayHub } from '../../src/main/gateway-hub.js';
import { BusError } from '../../src/protocol/errors.js';
import { GATEWAY_ANSWER_MS } from '../../src/protocol/limits/gateway.js';

type Gateways = Caller<'gateway', unknown>;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** An endpoint whose calls are answered by a function; it notes each call. */
function endpointOf(answer: (name: string, request: object) => unknown) {
  const called: string[] = [];
  const call = async (name: string, request: object): Promise<unknown> => {
    called.push(name);
    return answer(name, request);
  };
  return { called, gateways: { call } as object as Gateways };
}

const having = (...ids: string[]) =>
  endpointOf((name, request) =>
    name === 'disconnect'
      ? { isFound: ids.includes((request as { id: string }).id) }
      : { lists: [JSON.stringify(ids)] },
  );

function hubOf(...endpoints: { gateways: Gateways }[]): GatewayHub {
  const hub = new GatewayHub();
  for (const [index, { gateways }] of endpoints.entries()) hub.announce(`e${index}`, 1, gateways);
  return hub;
}

async function afterTime<T>(answer: Promise<T>): Promise<T> {
  await vi.advanceTimersByTimeAsync(GATEWAY_ANSWER_MS);
  return answer;
}

describe('the gateways of a bus, asked by the main thread', () => {
  it('answer together, and each is asked for a connection', async () => {
    const [one, two] = [having('a'), having('b', 'c')];
    const hub = hubOf(one, two);
    const all = { lists: ['["a"]', '["b","c"]'], isComplete: true };
    expect(await hub.allConnections()).toEqual(all);
    expect(await hub.disconnectAnywhere('c')).toEqual({ isFound: true, isComplete: true });
    expect(await hub.disconnectAnywhere('x')).toEqual({ isFound: false, isComplete: true });
  });

  it('are asked while they have a gateway, and not after they have left', async () => {
    const [one, two] = [having('a'), having('b')];
    const hub = hubOf(one, two);
    hub.announce('e0', 0, one.gateways);
    expect((await hub.allConnections()).lists).toEqual(['["b"]']);
    hub.forget('e1');
    expect(await hub.allConnections()).toEqual({ lists: [], isComplete: true });
  });

  it('are waited for only so long, and one that is silent is not asked again until it has answered', async () => {
    let answerLate = (_: object): void => {};
    const silent = endpointOf(() => new Promise<object>((resolve) => (answerLate = resolve)));
    const hub = hubOf(having('a'), silent);
    const partly = { lists: ['["a"]'], isComplete: false };
    expect(await afterTime(hub.allConnections())).toEqual(partly);
    expect(await hub.allConnections()).toEqual(partly);
    expect(await hub.disconnectAnywhere('b')).toEqual({ isFound: false, isComplete: false });
    expect(await hub.disconnectAnywhere('a')).toMatchObject({ isFound: true });
    expect(silent.called).toEqual(['listConnections']);
    answerLate({ lists: [] });
    await vi.advanceTimersByTimeAsync(0);
    const asked = hub.allConnections();
    answerLate({ lists: ['["b"]'] });
    expect(await asked).toEqual({ lists: ['["a"]', '["b"]'], isComplete: true });
  });

  it('that end while they are asked take their connections with them; one that fails may have some', async () => {
    const gone = endpointOf(() => {
      throw new BusError('BUS_CLOSED', 'gone');
    });
    expect(await hubOf(having('a'), gone).allConnections()).toMatchObject({ isComplete: true });
    const failing = endpointOf(() => {
      throw new BusError('INTERNAL', 'failed');
    });
    expect(await hubOf(failing).allConnections()).toEqual({ lists: [], isComplete: false });
  });
});
