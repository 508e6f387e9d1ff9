import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useMemo } from 'preact/hooks';
import type { Entry, Run } from '../run/run.js';
import { TimelineView } from './timeline-view.js';

/** The part of a run that the timeline shows: as wide as its plot, and with the chosen entry in sight. */
export function useTimelineView(
  plot: RefObject<HTMLDivElement | null>,
  run: Run,
  start: number,
  current: Entry | undefined,
): TimelineView {
  const view = useMemo(() => new TimelineView(), []);
  view.setRun(
    start,
    run.entries.reduce((latest, { until }) => Math.max(latest, until), start),
  );
  useLayoutEffect(() => {
    const element = plot.current!;
    const sized = new ResizeObserver(() => {
      view.width.value = element.clientWidth;
    });
    sized.observe(element);
    return () => sized.disconnect();
  }, [plot, view]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a run that grows must not move the view.
  useEffect(() => {
    if (current !== undefined) view.reveal(current.at);
  }, [current?.key, view]);
  return view;
}
