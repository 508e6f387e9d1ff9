import { inTime } from '../run/causation.js';
import type { Entry } from '../run/run.js';
import { type Lane, nearestIn } from './lanes.js';
import { type TimelineView, ZOOM } from './timeline-view.js';

/**
 * The keys of the timeline. Left and right choose the event before and after, up and down the nearest one in the next
 * lane, Home and End the first and the last; plus and minus zoom, 0 shows the whole run, Shift with an arrow moves the
 * view, Enter opens the event.
 */

export type Steps = Readonly<Record<string, () => void>>;

export interface StepsOptions {
  readonly lanes: readonly Lane[];
  readonly current: Entry | undefined;
  readonly view: TimelineView;
  readonly choose: (entry: Entry | undefined) => void;
  readonly open: (entry: Entry | undefined) => void;
  readonly zoom: (factor: number) => void;
}

const MOVE = 0.2;

/** With Shift, the name of a key has a plus in front. */
export function stepsOf({ lanes, current, view, choose, open, zoom }: StepsOptions): Steps {
  const all = (): Entry[] => inTime(lanes.flatMap(({ entries }) => entries));
  const beside = (step: number): void => {
    const entries = all();
    choose(current === undefined ? entries[0] : entries[entries.indexOf(current) + step]);
  };
  const across = (step: number): void => {
    if (current === undefined) {
      choose(all()[0]);
      return;
    }
    const lane = lanes[lanes.findIndex(({ entries }) => entries.includes(current)) + step];
    if (lane !== undefined) choose(nearestIn(lane, current.at));
  };
  const closer = (): void => zoom(1 / ZOOM);
  return {
    ArrowLeft: () => beside(-1),
    ArrowRight: () => beside(1),
    ArrowUp: () => across(-1),
    ArrowDown: () => across(1),
    Home: () => choose(all()[0]),
    End: () => choose(all().at(-1)),
    '+': closer,
    '=': closer,
    '-': () => zoom(ZOOM),
    '0': () => view.showWhole(),
    '+ArrowLeft': () => view.move(-MOVE),
    '+ArrowRight': () => view.move(MOVE),
    Enter: () => open(current),
  };
}
