import { relative, ticksOf } from './time-window.js';
import type { TimelineView } from './timeline-view.js';

/** The times below which the lanes stand, as distances from the run's first event. */

/** Pixels for the text of one mark. */
const TICK_WIDTH = 95;
/** Pixels from the right edge within which a text would be cut. */
const EDGE = 45;

export interface TimelineAxisProps {
  readonly view: TimelineView;
  readonly start: number;
}

export function TimelineAxis({ view, start }: TimelineAxisProps) {
  return (
    <div class="timeline-axis" aria-hidden="true">
      {marksOf(view, start)
        .filter(({ x }) => x < view.width.value - EDGE)
        .map(({ at, x }) => (
          <span key={at} class="number" style={{ left: `${x}px` }}>
            {relative(at - start)}
          </span>
        ))}
    </div>
  );
}

export interface AxisMark {
  readonly at: number;
  /** Pixels from the left edge. */
  readonly x: number;
}

export function marksOf({ shown, width }: TimelineView, start: number): readonly AxisMark[] {
  const { from, to } = shown;
  const perMs = width.value / (to - from);
  const wanted = Math.floor(width.value / TICK_WIDTH);
  return ticksOf(shown, start, wanted).map((at) => ({ at, x: (at - from) * perMs }));
}
