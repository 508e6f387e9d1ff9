import { type Signal, useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { showEvent } from '../../../event/shown-event.js';
import { isNarrow } from '../../../state/narrow.js';
import type { Entry, Run } from '../run/run.js';
import type { Lane } from './lanes.js';
import { TimelineAxis } from './timeline-axis.js';
import { type Steps, stepsOf } from './timeline-keys.js';
import { LANE_HEIGHT, LANE_HEIGHT_NARROW } from './timeline-lanes.js';
import { TimelinePlot } from './timeline-plot.js';
import { TimelineReadout } from './timeline-readout.js';
import { useTimelineView } from './use-timeline-view.js';
import { ZoomButtons } from './zoom-buttons.js';

/** The run in time, a lane for each source. It takes the keys of `stepsOf`; the wheel and a drag move and zoom it too. */

export interface TimelineProps {
  readonly lanes: readonly Lane[];
  readonly run: Run;
  /** The key of the chosen entry. */
  readonly chosen: Signal<number | undefined>;
}

export function Timeline({ lanes, run, chosen }: TimelineProps) {
  const plot = useRef<HTMLDivElement>(null);
  const hovered = useSignal<Entry | undefined>(undefined);
  const start = lanes[0]!.entries[0]!.at;
  const laneHeight = isNarrow.value ? LANE_HEIGHT_NARROW : LANE_HEIGHT;
  const current = chosen.value === undefined ? undefined : run.entries[chosen.value];
  const view = useTimelineView(plot, run, start, current);
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
  return (
    <section class="card timeline" aria-label="In time">
      <header>
        <TimelineReadout entry={hovered.value ?? current} run={run} start={start} />
        <ZoomButtons view={view} onZoom={zoom} />
      </header>
      <TimelineAxis view={view} start={start} />
      <div
        class="timeline-scroll"
        role="application"
        aria-roledescription="timeline"
        aria-label="Events in time. Arrow keys choose an event, plus and minus zoom, 0 shows all, Enter opens."
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the timeline takes keys as a whole.
        tabIndex={0}
        onKeyDown={onKeyDown}
      >
        <LaneNames lanes={lanes} laneHeight={laneHeight} />
        <TimelinePlot
          plot={plot}
          lanes={lanes}
          run={run}
          view={view}
          laneHeight={laneHeight}
          chosen={current}
          hovered={hovered}
          start={start}
          onOpen={open}
        />
      </div>
    </section>
  );
}

interface LaneNamesProps {
  readonly lanes: readonly Lane[];
  readonly laneHeight: number;
}

function LaneNames({ lanes, laneHeight }: LaneNamesProps) {
  return (
    <ul class="lane-names" aria-hidden="true">
      {lanes.map(({ name }) => (
        <li key={name} class="lane-name ellipsis" style={{ height: `${laneHeight}px` }}>
          {name}
        </li>
      ))}
    </ul>
  );
}
