/** Where a game stands, for people who look into a seed. */
export function describe({ history, world }) {
  return [
    ...history.lines.map(lineText),
    ...history.publishes.map(publishText),
    ...world.actors.map(actorText),
  ].join('\n');
}

function lineText(line) {
  const { move, endpoint, process, isReady, hand, subscription, events } = line;
  const had = events.map(({ shard, sequence, n }) => `${shard}:${sequence}=${n}`).join(' ');
  const state = [
    isReady && 'ready',
    hand.isBusy && 'busy',
    subscription === undefined ? 'ended' : 'runs',
  ];
  return `${move.name} ${move.pattern} ${move.from} ${move.overflow} of ${endpoint} in process ${process}: ${state.filter(Boolean).join(', ')}; ${had}`;
}

function publishText({ n, topic, publisher, persist, durability, status, code, ack }) {
  const place = ack === undefined ? (code ?? '') : `${ack.shard}:${ack.sequence}`;
  return `${n} ${topic} by ${publisher} ${persist ? durability : 'ephemeral'}: ${status} ${place}`;
}

function actorText({ name, parked, ports, timers }) {
  const messages = [...ports].reduce((sum, port) => sum + port.queue.length, 0);
  const until = parked === undefined ? 'awake' : `parked until ${parked.until.toFixed(1)}`;
  return `${name} ${until}, ${messages} messages, ${timers.size} timers`;
}
