/** Calls of `drain`, and what is so once they resolve. */

/** What ends a drain early. */
const EXPECTED = ['BUS_CLOSED', 'STORE_FAILED'];

/** A subscription hands out what waits, and then ends. */
export async function drainLine(line, subscription, history) {
  try {
    await subscription.drain();
  } catch {
    return;
  }
  // A loop may still be at its last event.
  const { name, isIterated } = line.move;
  if (line.subscription === subscription && line.hand.isBusy && !isIterated)
    history.problem(`${name} was drained and is at an event`);
}

/**
 * A bus waits until all publishes of the endpoint are answered, and its subscriptions have what was acknowledged when
 * it was called.
 */
export async function drain(endpoint, publisher, lines, history) {
  const { publishes } = history;
  const own = publishes.filter((one) => one.publisher === publisher && one.status === 'pending');
  const known = publishes.filter(
    ({ status, persist, later }) => status === 'ok' && persist && later?.dueAt === undefined,
  );
  const ready = lines
    .filter((line) => line.isReady && !line.isLossy && !line.isRemote)
    .map((line) => ({ line, subscription: line.subscription }));
  const call = { publisher, isRemote: publisher.startsWith('remote') };
  history.drains.add(call);
  try {
    await endpoint.drain();
  } catch (error) {
    if (!EXPECTED.includes(error?.code))
      history.problem(`a drain failed: ${error?.code} ${error?.stack}`);
    return;
  } finally {
    history.drains.delete(call);
  }
  const pending = own.find(({ status }) => status === 'pending');
  if (pending !== undefined) history.problem(`a drain did not wait for the publish ${pending.n}`);
  for (const { line, subscription } of ready) {
    if (subscription === undefined || line.subscription !== subscription) continue;
    const missing = line.gaps.length > 0 ? undefined : line.missing(known);
    if (missing !== undefined)
      history.problem(`${line.move.name} was drained without ${missing.n}`, 'lost');
  }
}
