import type { Signal } from '@preact/signals';
import type { RefObject } from 'preact';
import type { Entry, Run } from '../run/run.js';
import { type Lane, nearestIn } from './lanes.js';
import { TimelineLanes } from './timeline-lanes.js';
import { type TimelineView, ZOOM } from './timeline-view.js';
import { useDrag } from './use-drag.js';

/** The drawn lanes, and all that a pointer does on them: it shows, opens, moves and zooms. */

/** Pixels of a wheel for one step of the zoom. */
const WHEEL_STEP = 100;

export interface TimelinePlotProps {
  readonly plot: RefObject<HTMLDivElement | null>;
  readonly lanes: readonly Lane[];
  readonly run: Run;
  readonly view: TimelineView;
  /** Pixels. */
  readonly laneHeight: number;
  readonly chosen: Entry | undefined;
  readonly hovered: Signal<Entry | undefined>;
  /** When the run began, ms since 1970. */
  readonly start: number;
  readonly onOpen: (entry: Entry | undefined) => void;
}

export function TimelinePlot({ plot, hovered, onOpen, ...drawn }: TimelinePlotProps) {
  const { lanes, view, laneHeight } = drawn;
  const entryAt = ({ clientX, clientY }: MouseEvent): Entry | undefined => {
    const { left, top } = plot.current!.getBoundingClientRect();
    const lane = lanes[Math.floor((clientY - top) / laneHeight)];
    return lane === undefined ? undefined : nearestIn(lane, view.timeAt(clientX - left));
  };
  const drag = useDrag(plot, (pixels) => view.move(-pixels / view.width.value));
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the timeline around it takes the keys.
    // biome-ignore lint/a11y/useKeyWithClickEvents: as above.
    <div
      ref={plot}
      class="plot"
      onWheel={(wheel) => turnWheel(view, wheel, plot.current!)}
      {...drag.handlers}
      onMouseMove={(move) => {
        hovered.value = entryAt(move);
      }}
      onMouseLeave={() => {
        hovered.value = undefined;
      }}
      onClick={(click) => {
        if (!drag.hasMoved()) onOpen(entryAt(click));
      }}
    >
      <TimelineLanes {...drawn} hovered={hovered.value} />
    </div>
  );
}

/** With Ctrl the wheel zooms around the pointer; aside, or with Shift, it moves the view. */
function turnWheel(view: TimelineView, wheel: WheelEvent, plot: HTMLElement): void {
  const aside = wheel.deltaX !== 0 ? wheel.deltaX : wheel.shiftKey ? wheel.deltaY : 0;
  if (wheel.ctrlKey) {
    const { left } = plot.getBoundingClientRect();
    view.zoom(ZOOM ** (wheel.deltaY / WHEEL_STEP), view.timeAt(wheel.clientX - left));
  } else if (aside !== 0) view.move(aside / view.width.value);
  else return;
  wheel.preventDefault();
}
