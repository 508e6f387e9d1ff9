/**
 * Planted bugs. Each makes the options that `System` takes: an `observe` that passes events on to the checks, all
 * but one of them rightly, and a short deadline, since what was dropped never comes.
 */
const NTH = 5;
const DEADLINE_MS = 2000;

/** The bug happens to the first persisted event from the fifth on that it can happen to. */
function planted(spoil) {
  return () => {
    let seen = 0;
    let done = false;
    const observe = (event, take) => {
      if (done || event.sequence === undefined || ++seen < NTH) return take(event);
      done = spoil(event, take) !== false;
      return undefined;
    };
    return { observe, deadlineMs: DEADLINE_MS };
  };
}

export const canaries = {
  drop: planted(() => undefined),
  repeat: planted((event, take) => {
    take(event);
    take(event);
  }),
  alter: planted((event, take) => take({ ...event, source: `${event.source}?` })),
  swap: () => {
    let kept;
    let done = false;
    /** Holds one event back until another of its topic has come. */
    const observe = (event, take, lineage) => {
      if (done || event.sequence === undefined) return take(event);
      if (kept === undefined) {
        kept = { event, take, lineage };
        return undefined;
      }
      take(event);
      if (event.topic !== kept.event.topic || lineage !== kept.lineage) return undefined;
      kept.take(kept.event);
      done = true;
      return undefined;
    };
    return { observe, deadlineMs: DEADLINE_MS };
  },
};
