/** Causes of a death that come with the last attempt: a member that gives an event up needs none, nor does one that dies. */
const COUNTED = new Set(['nak', 'expired']);

/**
 * Judges the letters of dead events as they are in the log: each is of an event that was published (C2), as that was sent
 * (C5), comes once, and only if the event has had its attempts or was given up (C7).
 */
export class Letters {
  #terms;
  #attempts;
  #say;
  /** The places of dead events that have a letter, by reference. */
  #dead = new Map();
  #places = new Set();

  /** @param terms `{ letters?, attemptsMax? }`: the topic of letters, and how many attempts an event has */
  constructor(terms, { attempts, say }) {
    this.#terms = terms;
    this.#attempts = attempts;
    this.#say = say;
  }

  /** Whether the event at this place has a letter. */
  has(shard, sequence) {
    return this.#places.has(`${shard}:${sequence}`);
  }

  /**
   * @param event `{ id, topic, digest }` of the letter
   * @param dead `{ id, topic, type, shard, sequence, attempts, cause, digest, parsed }` of the event that died, by the
   *   letter; `parsed` is the digest of the letter as JavaScript reads it
   */
  take({ id, topic, digest }, dead) {
    if (topic !== this.#terms.letters) return;
    const attempts = this.#attempts;
    // The letter itself is as the log has it: nobody else knows when the event died.
    attempts.addMade([id, topic, dead.type, digest, dead.parsed], 0);
    const origin = attempts.find(dead.id, dead.topic);
    const what = `the letter ${id} of ${dead.id} on ${dead.topic}`;
    if (origin === undefined) {
      this.#say('C2', `${what} is of an event that nobody tried to publish`);
      return;
    }
    if (attempts.get(origin, 'digest') !== dead.digest) {
      this.#say('C5', `${what} is not as the event was sent`);
    }
    if (this.#dead.has(origin)) this.#say('C7', `${what} is the second one`);
    const place = `${dead.shard}:${dead.sequence}`;
    this.#dead.set(origin, place);
    this.#places.add(place);
    if (COUNTED.has(dead.cause) && dead.attempts < this.#terms.attemptsMax) {
      this.#say('C7', `${what} came after ${dead.attempts} attempts, by ${dead.cause}`);
    }
  }

  /** Once the places of all events are known. */
  finish() {
    const attempts = this.#attempts;
    for (const [origin, place] of this.#dead) {
      const is = `${attempts.get(origin, 'shard')}:${attempts.get(origin, 'sequence')}`;
      if (is === place) continue;
      this.#say('C3', `a letter has ${attempts.nameOf(origin)} at ${place}, and it is at ${is}`);
    }
  }
}
