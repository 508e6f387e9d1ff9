/**
 * Whether the attempts of a job were counted right. The first is 1. A failure costs one, and so does a death: a server
 * hands a member no more than its handlers can begin, so whatever was with a member had begun. A hand-back costs none.
 *
 * A member that was killed may have got an event and written nothing down. So an attempt may be missing in the diaries,
 * but only where somebody died meanwhile.
 *
 * @param job with its `deliveries` in the order of their leases, and `publishedAt`
 * @param deaths when somebody may have lost what was in hand, in order
 */
export function judgeAttempts({ id, deliveries, publishedAt }, deaths, say) {
  let before = { attempt: 0, at: publishedAt, least: 1, most: 1 };
  for (const { at, attempt, lease, said } of deliveries) {
    const least = before.attempt + before.least;
    const most =
      before.attempt + before.most + countBetween(deaths, before.at - SLACK_NS, at + SLACK_NS);
    if (attempt < least || attempt > most) {
      const due = least === most ? `${least}` : `${least} to ${most}`;
      say('attempts', `${id} has attempt ${attempt} in lease ${lease}, and should have ${due}`);
    }
    before = { attempt, at, ...costOf(said) };
  }
}

/** Some of the times are whole ms of another clock. */
const SLACK_NS = 10e6;

/** What a delivery costs. Whether a hand-back that was not answered was carried out, nobody knows. */
function costOf(said) {
  if (said?.kind !== 'back') return { least: 1, most: 1 };
  return { least: 0, most: said.outcome === 'ok' ? 0 : 1 };
}

function countBetween(times, from, to) {
  return firstFrom(times, to) - firstFrom(times, from);
}

/** How many of the times are before this one. */
function firstFrom(times, at) {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < at) low = middle + 1;
    else high = middle;
  }
  return low;
}
