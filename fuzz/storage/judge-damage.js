/** Readings that say how far a whole directory has come. */
const OF_THE_WHOLE = ['topics', 'later', 'consumers'];

/**
 * Judges whether damage was noticed. `observed` is what the damaged directory shows, `truth` what the undamaged one
 * shows. Every reading must be right, or end with an error before it gives anything wrong, or report the gap. Events
 * may also be missing if the directory has begun a new epoch that ends before them, or if `verify` reports the damage.
 * Any other difference is silent damage.
 *
 * @returns `{ verdict, silent }`: how the damage was noticed, and the differences that were not reported
 */
export function judgeDamage(truth, observed) {
  const { refused, verify } = observed;
  if (refused !== undefined) {
    return refused.startsWith('UNTYPED') ? untyped(refused) : { verdict: 'refused', silent: [] };
  }
  const notes = new Set();
  const silent = [];
  if (observed.shards.length !== truth.shards.length) silent.push('another number of shards');
  for (const [shard, expected] of truth.shards.entries()) {
    const found = observed.shards[shard];
    if (found === undefined) continue;
    const isNewEpoch = observed.epoch !== truth.epoch;
    const context = { isNewEpoch, head: found.head, verify };
    for (const [name, wanted] of Object.entries(expected.readings)) {
      // A shorter history rightly has other topics, and less was done in it.
      if (OF_THE_WHOLE.includes(name) && isNewEpoch && found.head < expected.head) continue;
      const reading = found.readings[name];
      const judged = judgeReading(wanted, reading, context);
      for (const note of judged.notes) notes.add(note);
      silent.push(...judged.silent.map((text) => `shard ${shard}, ${name}: ${text}`));
    }
  }
  if (silent.length > 0) return { verdict: 'silent', silent };
  return { verdict: verdictOf(notes, observed, truth), silent };
}

function verdictOf(notes, observed, truth) {
  for (const note of ['error', 'gap', 'epoch', 'verify'])
    if (notes.has(note)) return `told: ${note}`;
  if (observed.epoch !== truth.epoch) return 'told: epoch';
  return observed.verify.length > 0 ? 'right, and verify reports it' : 'right';
}

function untyped(refused) {
  return { verdict: 'silent', silent: [`it is refused without a code: ${refused}`] };
}

/** Judges one shard's part of one way of reading. */
function judgeReading(wanted, reading, context) {
  // A topic that is gone has no reading.
  const { keys = [], gaps = [], error } = reading ?? {};
  const notes = [];
  if (error?.startsWith('UNTYPED')) return { notes, silent: [`an error without a code: ${error}`] };
  if (error !== undefined) notes.push('error');
  const wrong = wrongIn(wanted.keys, keys);
  if (wrong !== undefined) return { notes, silent: [wrong] };
  if (error !== undefined) return { notes, silent: [] };
  const missing = missingIn(wanted.keys, keys).filter((key) => !isTold(key, gaps, context, notes));
  const untold = missingIn(wanted.gaps ?? [], gaps, gapKey).length;
  if (missing.length === 0 && untold === 0) return { notes, silent: [] };
  if (context.verify.length > 0) return { notes: [...notes, 'verify'], silent: [] };
  const text =
    missing.length > 0 ? `${missing.length} missing from ${missing[0]}` : 'an untold gap';
  return { notes, silent: [text] };
}

/** The first event that is not of the directory, is repeated or is out of order, in words; otherwise `undefined`. */
function wrongIn(wanted, keys) {
  const places = new Map(wanted.map((key, place) => [key, place]));
  let last = -1;
  for (const key of keys) {
    const place = places.get(key);
    if (place === undefined) return `${key} was never stored`;
    if (place === last) return `${key} comes twice`;
    if (place < last) return `${key} comes late`;
    last = place;
  }
  return undefined;
}

function missingIn(wanted, found, keyOf = (key) => key) {
  const there = new Set(found.map(keyOf));
  return wanted.filter((one) => !there.has(keyOf(one)));
}

function gapKey({ shard, from, to }) {
  return `${shard}:${from}:${to}`;
}

function isTold(key, gaps, { isNewEpoch, head }, notes) {
  const sequence = Number(key.split(':')[0]);
  if (gaps.some(({ from, to }) => from <= sequence && sequence <= to)) return notes.push('gap');
  return isNewEpoch && sequence > head && notes.push('epoch');
}
