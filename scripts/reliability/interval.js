/** The quantile of the normal distribution that leaves 2.5 % on either side. */
const Z = 1.959964;

/**
 * The 95 % interval of a share of which a sample is known: Wilson's score interval, E. B. Wilson, "Probable inference, the
 * law of succession, and statistical inference", JASA 22 (158), 1927, 209–212. Brown, Cai and DasGupta ("Interval
 * estimation for a binomial proportion", Statistical Science 16 (2), 2001, 101–133) recommend it for small samples, and for
 * shares near 0, for which the usual p ± 1.96 s is too narrow. It takes no account of how large a part of the whole was
 * drawn: the larger that part, the more it is too wide.
 *
 * @param {number} count Of those that count, in the sample.
 * @param {number} drawn How many the sample has.
 * @returns {{ low: number, high: number }} between 0 and 1
 */
export function wilsonInterval(count, drawn) {
  if (drawn === 0) return { low: 0, high: 1 };
  const share = count / drawn;
  const spread = Z ** 2 / drawn;
  const centre = (share + spread / 2) / (1 + spread);
  const half = (Z * Math.sqrt((share * (1 - share)) / drawn + spread / (4 * drawn))) / (1 + spread);
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}
