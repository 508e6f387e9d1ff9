/** What Node offers, before the simulation puts its own in the place of it. */
export const real = {
  setImmediate,
  setTimeout,
  clearTimeout,
  Date,
  dateNow: Date.now,
  elapsed: performance.now.bind(performance),
  hrtime: process.hrtime,
};
