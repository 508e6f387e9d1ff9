import { Random } from '../../fuzz/storage/random.js';

/**
 * Puts a list into a random order, each order as likely as any other (Fisher and Yates, as Durstenfeld has it: CACM 7 (7),
 * 1964, algorithm 235). The first n of it are a uniform draw of n, and a longer draw of the same seed begins with a shorter.
 *
 * @template T
 * @param {readonly T[]} list
 * @param {number} seed
 * @returns {T[]}
 */
export function shuffled(list, seed) {
  const random = new Random(seed);
  const order = [...list];
  for (let index = 0; index < order.length - 1; index++) {
    const other = index + random.below(order.length - index);
    const drawn = /** @type {T} */ (order[other]);
    order[other] = /** @type {T} */ (order[index]);
    order[index] = drawn;
  }
  return order;
}
