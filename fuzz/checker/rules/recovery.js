/**
 * C6: within a stated time after the last fault was healed, every publish has its outcome, every reader has all, and
 * every job is done. Also measures how long each fault kept publishers from getting an ack.
 */
export const CAUGHT_UP_MS = 60_000;

export class Recovery {
  /** When the last fault was healed, monotonic ns; 0: nobody says. */
  calmAt = 0;
  #begins = [];
  /** By fault: when a publish was acknowledged that had begun after it and before the next. */
  #firstAcks = [];
  #say;

  constructor(say) {
    this.#say = say;
  }

  /** Takes the nemesis's history. */
  takeNemesis(lines) {
    const open = new Map();
    for (const [at, operation, entry, ...rest] of lines) {
      if (entry === 'calm') this.calmAt = at;
      if (entry === 'invoke' && rest[0] === 'fault') open.set(operation, at);
      if (entry !== 'ok' || !open.has(operation)) continue;
      if (rest[0].how !== undefined) this.#begins.push(open.get(operation));
      open.delete(operation);
    }
    this.#firstAcks = this.#begins.map(() => Number.POSITIVE_INFINITY);
  }

  /** Takes a publisher's history. */
  takePublisher(name, lines) {
    const open = new Map();
    for (const [at, operation, entry] of lines) {
      if (entry === 'start') open.clear();
      else if (entry === 'invoke') open.set(operation, at);
      else if (open.has(operation)) {
        if (entry === 'ok') this.#acked(open.get(operation), at);
        this.isInTime(at, `${name} learned of a publish`);
        open.delete(operation);
      }
    }
    if (this.calmAt > 0 && open.size > 0) {
      this.#say('C6', `${name} never learned what became of ${open.size} publishes`);
    }
  }

  /** Says so if something came too late. */
  isInTime(at, what) {
    const late = (at - this.calmAt) / 1e6 - CAUGHT_UP_MS;
    if (this.calmAt === 0 || late <= 0) return;
    this.#say(
      'C6',
      `${what} ${Math.round(late)} ms later than ${CAUGHT_UP_MS} ms after the last fault`,
    );
  }

  /** How long each fault kept publishers from an ack, ms, the shortest first. */
  get recoveriesMs() {
    let first = Number.POSITIVE_INFINITY;
    const recoveries = [];
    for (let at = this.#begins.length - 1; at >= 0; at--) {
      first = Math.min(first, this.#firstAcks[at]);
      if (first < Number.POSITIVE_INFINITY) recoveries.push((first - this.#begins[at]) / 1e6);
    }
    return recoveries.sort((a, b) => a - b);
  }

  #acked(invokedAt, at) {
    let [low, high] = [0, this.#begins.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#begins[middle] <= invokedAt) low = middle + 1;
      else high = middle;
    }
    if (low > 0) this.#firstAcks[low - 1] = Math.min(this.#firstAcks[low - 1], at);
  }
}
