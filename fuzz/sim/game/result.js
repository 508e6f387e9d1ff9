/** What a game counted. */
export function resultOf({ history, world, choices }) {
  const { steps, points, elapsed } = world;
  const { problems, kinds, publishes } = history;
  const acked = publishes.filter(({ status }) => status === 'ok').length;
  const delivered = history.lines.reduce((sum, { events }) => sum + events.length, 0);
  const counts = { publishes: publishes.length, acked, delivered };
  return { problems, kinds, hash: choices.hash, steps, points, elapsed, ...counts };
}
