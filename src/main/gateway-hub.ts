import type { AnswerOf, NameOf, RequestOf } from '../link/calls.js';
import type { Caller } from '../link/port-calls.js';
import { BusError } from '../protocol/errors.js';
import { GATEWAY_ANSWER_MS } from '../protocol/limits/gateway.js';

/**
 * Asks all gateways of the bus, wherever they run, and waits `GATEWAY_ANSWER_MS` for each. A gateway that has not
 * answered by then is not asked again before it has answered that call. Used by the thread that opened the bus.
 */
interface Member {
  readonly gateways: Caller<'gateway', unknown>;
  /** It has let a call's time pass and not answered it yet. */
  isSilent: boolean;
}

/** Stands for the answer of a gateway that has not answered in time. */
const SILENT = Symbol('silent');

export class GatewayHub {
  /** By endpoint. */
  readonly #members = new Map<string, Member>();

  /** The endpoint has so many gateways from now on. */
  announce(endpoint: string, gateways: number, caller: Caller<'gateway', unknown>): void {
    if (gateways === 0) this.#members.delete(endpoint);
    else if (!this.#members.has(endpoint)) {
      this.#members.set(endpoint, { gateways: caller, isSilent: false });
    }
  }

  forget(endpoint: string): void {
    this.#members.delete(endpoint);
  }

  /** `isComplete`: false if a gateway has not answered. */
  async allConnections(): Promise<AnswerOf<'allConnections'>> {
    const answers = await this.#askAll('listConnections', {});
    const lists = answers.flatMap((answer) => (answer === SILENT ? [] : answer.lists));
    return { lists, isComplete: !answers.includes(SILENT) };
  }

  /** `isComplete`: false if a gateway has not answered, and may have the connection. */
  async disconnectAnywhere(id: string): Promise<AnswerOf<'disconnectAnywhere'>> {
    const answers = await this.#askAll('disconnect', { id });
    const isFound = answers.some((answer) => answer !== SILENT && answer.isFound);
    return { isFound, isComplete: !answers.includes(SILENT) };
  }

  async #askAll<N extends NameOf<'gateway'>>(
    name: N,
    request: RequestOf<N>,
  ): Promise<(AnswerOf<N> | typeof SILENT)[]> {
    const members = [...this.#members.values()];
    const answers = await Promise.all(members.map((member) => ask(member, name, request)));
    return answers.filter((answer) => answer !== undefined);
  }
}

/** The answer; `undefined` if the gateway is gone, and its connections with it. */
async function ask<N extends NameOf<'gateway'>>(
  member: Member,
  name: N,
  request: RequestOf<N>,
): Promise<AnswerOf<N> | typeof SILENT | undefined> {
  if (member.isSilent) return SILENT;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<typeof SILENT>((resolve) => {
    timer = setTimeout(() => {
      member.isSilent = true;
      resolve(SILENT);
    }, GATEWAY_ANSWER_MS);
  });
  const answer = member.gateways.call(name, request).then(
    (value) => {
      member.isSilent = false;
      return value;
    },
    (error: unknown) => {
      member.isSilent = false;
      const isGone = error instanceof BusError && error.code === 'BUS_CLOSED';
      return isGone ? undefined : SILENT;
    },
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
