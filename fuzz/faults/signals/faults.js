import { setTimeout as pass } from 'node:timers/promises';

/**
 * Signals. A server that has listened has to exit with 0 whenever it is told to stop; one that was still opening may end by
 * the signal, as nobody has heard of it yet.
 */
const OPENING_MS = 900;

/** SIGTERM at any moment under load; the server starts again. */
export const sigterm = {
  name: 'sigterm',
  inject: async (random, { subject }) => {
    if (!subject.isReady) return undefined;
    await pass(random.below(300));
    const stop = await subject.terminate();
    return stop && `${Math.round(stop.ms)} ms, ${stop.code ?? stop.signal}`;
  },
  heal: async ({ subject }) => subject.running,
};

/** The server is killed, and killed or told to stop again while it recovers, up to three times. */
export const whileRecovering = {
  name: 'recovery',
  inject: async (random, { subject }) => {
    if (!subject.isReady) return undefined;
    subject.kill();
    const times = 1 + random.below(3);
    for (let n = 0; n < times; n++) {
      await pass(random.below(OPENING_MS));
      if (random.chance(0.5)) subject.kill();
      else await subject.terminate?.();
    }
    return `${times + 1} ends`;
  },
  heal: async ({ subject }) => subject.running,
};

/** What is wrong with how a server stopped, and how long its stops took. */
export function judgeStops(stops) {
  const ofReady = stops.filter(({ isReady }) => isReady);
  return {
    problems: ofReady
      .filter(({ code }) => code !== 0)
      .map(({ ms, code, signal }) => `stop: ended by ${code ?? signal} after ${Math.round(ms)} ms`),
    stopsMs: ofReady.map(({ ms }) => ms).sort((a, b) => a - b),
  };
}
