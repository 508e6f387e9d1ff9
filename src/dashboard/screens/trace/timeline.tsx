import { type Signal, useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { showEvent } from '../../event/shown-event.js';
import { isNarrow } from '../../state/narrow.js';
import { type Lane, nearestIn } from './lanes.js';
import type { Entry, Run } from './run.js';
import { TimelineAxis } from './timeline-axis.js';
import { type Steps, stepsOf } from './timeline-keys.js';
import { LANE_HEIGHT, LANE_HEIGHT_NARROW, TimelineLanes } from './timeline-lanes.js';
import { TimelineReadout } from './timeline-readout.js';
import { TimelineView } from './timeline-view.js';

/** The run in time, a lane for each source. It takes the keys of `stepsOf`; the wheel and a drag move and zoom it too. */

const ZOOM = 1.5;
/** Pixels of a wheel for one step of the zoom. */
const WHEEL_STEP = 100;
/** Pixels that a pointer may move in a click. */
const CLICK = 4;

export interface TimelineProps {
  readonly lanes: readonly Lane[];
  readonly run: Run;
  /** The key of the chosen entry. */
  readonly chosen: Signal<number | undefined>;
}

export function Timeline({ lanes, run, chosen }: TimelineProps) {
  const plot = useRef<HTMLDivElement>(null);
  const view = useMemo(() => new TimelineView(), []);
  const hovered = useSignal<Entry | undefined>(undefined);
  const first = lanes[0]!.entries[0]!.at;
  view.setRun(
    first,
    run.entries.reduce((latest, { until }) => Math.max(latest, until), first),
  );
  const laneHeight = isNarrow.value ? LANE_HEIGHT_NARROW : LANE_HEIGHT;
  const current = chosen.value === undefined ? undefined : run.entries[chosen.value];

  useLayoutEffect(() => {
    const element = plot.current!;
    const sized = new ResizeObserver(() => {
      view.width.value = element.clientWidth;
    });
    sized.observe(element);
    return () => sized.disconnect();
  }, [view]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a run that grows must not move the view.
  useEffect(() => {
    if (current !== undefined) view.reveal(current.at);
  }, [current?.key, view]);

  const choose = (entry: Entry | undefined): void => {
    if (entry !== undefined) chosen.value = entry.key;
  };
  const zoom = (factor: number): void => {
    const { from, to } = view.shown;
    view.zoom(factor, current?.at ?? (from + to) / 2);
  };
  const open = (entry: Entry | undefined): void => {
    choose(entry);
    if (entry !== undefined && entry.text === undefined) showEvent(entry.event);
  };
  const steps: Steps = stepsOf({ lanes, current, view, choose, open, zoom });
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step =
      steps[event.shiftKey && event.key.startsWith('Arrow') ? `+${event.key}` : event.key];
    if (step === undefined) return;
    event.preventDefault();
    step();
  };
  const entryAt = ({ clientX, clientY }: MouseEvent): Entry | undefined => {
    const { left, top } = plot.current!.getBoundingClientRect();
    const lane = lanes[Math.floor((clientY - top) / laneHeight)];
    return lane === undefined ? undefined : nearestIn(lane, view.timeAt(clientX - left));
  };
  const onWheel = (wheel: WheelEvent): void => {
    const aside = wheel.deltaX !== 0 ? wheel.deltaX : wheel.shiftKey ? wheel.deltaY : 0;
    const { left } = plot.current!.getBoundingClientRect();
    if (wheel.ctrlKey) {
      view.zoom(ZOOM ** (wheel.deltaY / WHEEL_STEP), view.timeAt(wheel.clientX - left));
    } else if (aside !== 0) view.move(aside / view.width.value);
    else return;
    wheel.preventDefault();
  };
  const drag = useDrag(plot, (pixels) => view.move(-pixels / view.width.value));
  return (
    <section class="card timeline" aria-label="In time">
      <header>
        <TimelineReadout entry={hovered.value ?? current} run={run} start={first} />
        <ZoomButtons view={view} onZoom={zoom} />
      </header>
      <TimelineAxis view={view} start={first} />
      <div
        class="timeline-scroll"
        role="application"
        aria-roledescription="timeline"
        aria-label="Events in time. Arrow keys choose an event, plus and minus zoom, 0 shows all, Enter opens."
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the timeline takes keys as a whole.
        tabIndex={0}
        onKeyDown={onKeyDown}
      >
        <ul class="lane-names" aria-hidden="true">
          {lanes.map(({ name }) => (
            <li key={name} class="lane-name ellipsis" style={{ height: `${laneHeight}px` }}>
              {name}
            </li>
          ))}
        </ul>
        {/* biome-ignore lint/a11y/noStaticElementInteractions: the timeline around it takes the keys. */}
        {/* biome-ignore lint/a11y/useKeyWithClickEvents: as above. */}
        <div
          ref={plot}
          class="plot"
          onWheel={onWheel}
          {...drag.handlers}
          onMouseMove={(move) => {
            hovered.value = entryAt(move);
          }}
          onMouseLeave={() => {
            hovered.value = undefined;
          }}
          onClick={(click) => {
            if (!drag.hasMoved()) open(entryAt(click));
          }}
        >
          <TimelineLanes
            lanes={lanes}
            view={view}
            run={run}
            laneHeight={laneHeight}
            chosen={current}
            hovered={hovered.value}
            start={first}
          />
        </div>
      </div>
    </section>
  );
}

interface ZoomButtonsProps {
  readonly view: TimelineView;
  readonly onZoom: (factor: number) => void;
}

function ZoomButtons({ view, onZoom }: ZoomButtonsProps) {
  return (
    <div class="zoom">
      <button type="button" class="quiet" title="Zoom out (−)" onClick={() => onZoom(ZOOM)}>
        <span aria-hidden="true">−</span>
        <span class="hidden">Zoom out</span>
      </button>
      <button type="button" class="quiet" title="Zoom in (+)" onClick={() => onZoom(1 / ZOOM)}>
        <span aria-hidden="true">+</span>
        <span class="hidden">Zoom in</span>
      </button>
      <button type="button" onClick={() => view.showWhole()} disabled={view.isWhole}>
        Whole run
      </button>
    </div>
  );
}

/** Reports how far a pressed pointer moves aside, in pixels. */
function useDrag(plot: { readonly current: HTMLElement | null }, onDrag: (pixels: number) => void) {
  const drag = useRef({ x: 0, isDown: false, distance: 0 }).current;
  return {
    hasMoved: () => drag.distance > CLICK,
    handlers: {
      onPointerDown: (event: PointerEvent) => {
        if (event.button !== 0) return;
        Object.assign(drag, { x: event.clientX, isDown: true, distance: 0 });
      },
      onPointerMove: (event: PointerEvent) => {
        if (!drag.isDown) return;
        const pixels = event.clientX - drag.x;
        drag.distance += Math.abs(pixels);
        drag.x = event.clientX;
        if (drag.distance <= CLICK) return;
        plot.current?.setPointerCapture(event.pointerId);
        onDrag(pixels);
      },
      onPointerUp: () => {
        drag.isDown = false;
      },
      onPointerCancel: () => {
        drag.isDown = false;
      },
    },
  };
}
