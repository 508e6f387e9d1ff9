/** Whether a pattern matches a topic, by the words of the contract, and without the product's code. */
export function matches(pattern, topic) {
  const [wanted, has] = [pattern.split('.'), topic.split('.')];
  if (has[0].startsWith('$') && wanted[0] !== has[0]) return false;
  for (const [at, segment] of wanted.entries()) {
    const isLast = at === wanted.length - 1;
    if (segment === '*' && isLast) return has.length > at;
    if (at >= has.length) return false;
    if (segment !== '*' && segment !== '+' && segment !== has[at]) return false;
  }
  return has.length === wanted.length;
}

/** Whether a filter `{ topics, types? }` matches the event of a reference; remembers what it has found. */
export class Matcher {
  #filter;
  #attempts;
  #known = new Map();

  constructor(filter, attempts) {
    this.#filter = filter;
    this.#attempts = attempts;
  }

  matches(reference) {
    const attempts = this.#attempts;
    const key = attempts.get(reference, 'topic') * 65_536 + attempts.get(reference, 'type');
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const { topics, types } = this.#filter;
    const topic = attempts.topicOf(reference);
    const isWanted =
      topics.some((pattern) => matches(pattern, topic)) &&
      (types === undefined || types.includes(attempts.typeOf(reference)));
    this.#known.set(key, isWanted);
    return isWanted;
  }
}
