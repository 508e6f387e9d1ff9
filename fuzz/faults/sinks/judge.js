/**
 * Compares what was published with what three other places have.
 *
 * @typedef {{ id: string, topic: string, digest: string }} Entry
 *
 * @param {object} seen
 * @param {Map<string, Entry>} seen.tried   by id
 * @param {Set<string>} seen.acked
 * @param {Entry[]} seen.log    the whole log of the source, its archive included
 * @param {Entry[]} seen.there  the log of the bus to which events are forwarded
 * @param {Entry[]} seen.received  what the receiver of webhooks took
 * @returns {{ lost: string[], repeated: string[], misordered: string[], wrong: string[] }}
 */
export function judge({ tried, acked, log, there, received }) {
  /** @type {Record<'lost' | 'repeated' | 'misordered' | 'wrong', string[]>} */
  const found = { lost: [], repeated: [], misordered: [], wrong: [] };
  const source = byId(log);
  for (const id of acked) {
    if (!source.has(id)) found.lost.push(`${id} was acknowledged and is not in the log`);
  }
  once('the log', log, found);
  once('the other bus', there, found);
  for (const [place, entries, original] of [
    ['the log', log, tried],
    ['the other bus', there, source],
    ['the receiver', received, source],
  ]) {
    alike(place, entries, original, found);
  }
  for (const [place, entries] of [
    ['the other bus', there],
    ['the receiver', received],
  ]) {
    const have = byId(entries);
    for (const id of source.keys()) {
      if (!have.has(id)) found.lost.push(`${place} does not have ${id}`);
    }
    inOrder(place, firstsOf(entries), log, found);
  }
  return found;
}

function byId(entries) {
  return new Map(entries.map((entry) => [entry.id, entry]));
}

function once(place, entries, found) {
  const seen = new Set();
  for (const { id } of entries) {
    if (seen.has(id)) found.repeated.push(`${place} has ${id} twice`);
    seen.add(id);
  }
}

function alike(place, entries, original, found) {
  for (const { id, topic, digest } of entries) {
    const known = original.get(id);
    if (known === undefined) found.wrong.push(`${place} has ${id}, which is not in its origin`);
    else if (known.topic !== topic || known.digest !== digest)
      found.wrong.push(`${place} has ${id} with another topic or payload`);
  }
}

/** A receiver may see an event again; that is told by when it came first. */
function firstsOf(entries) {
  return [...byId(entries.toReversed()).values()].toReversed();
}

function inOrder(place, entries, log, found) {
  const due = topicsOf(log);
  for (const [topic, ids] of topicsOf(entries)) {
    const have = new Set(ids);
    const wanted = (due.get(topic) ?? []).filter((id) => have.has(id));
    const at = ids.findIndex((id, n) => id !== wanted[n]);
    if (at >= 0)
      found.misordered.push(`${place} has ${ids[at]} of ${topic} where ${wanted[at]} belongs`);
  }
}

function topicsOf(entries) {
  const topics = new Map();
  for (const { id, topic } of entries) {
    if (!topics.has(topic)) topics.set(topic, []);
    topics.get(topic).push(id);
  }
  return topics;
}
