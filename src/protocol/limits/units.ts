/** Units of sizes, and the longest time that the platform can wait. */

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** The longest wait of a timer, 24 days. A timer set to more fires at once. */
export const TIMER_MS_MAX = 2 ** 31 - 1;
