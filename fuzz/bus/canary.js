/**
 * Planted bugs. Each makes options of `System`: an `observe` that passes events to the checks, all but one of them
 * unchanged, and a short deadline, as a dropped event never comes.
 */
const NTH = 5;
const DEADLINE_MS = 2000;

/** Spoils the first persisted event, from the fifth on, that `spoil` can be applied to. */
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
