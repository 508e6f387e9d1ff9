import type { Entry, Run } from '../run/run.js';
import { type Lane, type LaneMark, marksOf, POINT } from './lanes.js';
import { marksOf as axisMarksOf } from './timeline-axis.js';
import type { TimelineView } from './timeline-view.js';

/**
 * The drawing of the timeline. Points are events, bars are texts that came in pieces, and a point with a ring stands for
 * several that lie too close; a failure is a diamond. Lines lead from the chosen entry to its cause and to its effects.
 */

/** Pixels. In a narrow lane the name stands above the marks. */
export const LANE_HEIGHT = 30;
export const LANE_HEIGHT_NARROW = 42;

const HALF = POINT / 2;

export interface TimelineLanesProps {
  readonly lanes: readonly Lane[];
  readonly view: TimelineView;
  readonly run: Run;
  /** Pixels. */
  readonly laneHeight: number;
  readonly chosen: Entry | undefined;
  readonly hovered: Entry | undefined;
  readonly start: number;
}

export function TimelineLanes(props: TimelineLanesProps) {
  const { lanes, view, laneHeight, chosen, hovered, start } = props;
  const width = view.width.value;
  const height = lanes.length * laneHeight;
  const middleOf = (index: number): number => (index + 1) * laneHeight - LANE_HEIGHT / 2;
  const placeOf = (entry: Entry): Point | undefined => {
    const index = lanes.findIndex(({ entries }) => entries.includes(entry));
    const { from, to } = view.shown;
    if (index < 0) return undefined;
    return { x: ((entry.at - from) / (to - from)) * width, y: middleOf(index) };
  };
  return (
    <svg width={width} height={height} aria-hidden="true">
      {axisMarksOf(view, start).map(({ at, x }) => (
        <line key={at} class="tick" x1={x} x2={x} y1={0} y2={height} />
      ))}
      {lanes.map((lane, index) => (
        <g key={lane.name} transform={`translate(0 ${middleOf(index)})`}>
          <line class="base" x1={0} x2={width} y1={0} y2={0} />
          {marksOf(lane, view.shown, width).map((mark) => (
            <Mark key={`${mark.kind}${mark.entry.key}`} mark={mark} />
          ))}
        </g>
      ))}
      {chosen !== undefined && <Links {...props} chosen={chosen} placeOf={placeOf} />}
      {hovered !== undefined && <Ring place={placeOf(hovered)} kind="hovered" />}
      {chosen !== undefined && <Ring place={placeOf(chosen)} kind="chosen" />}
    </svg>
  );
}

interface Point {
  readonly x: number;
  readonly y: number;
}

function Mark({ mark }: { readonly mark: LaneMark }) {
  const { kind, from, to, count, isFault } = mark;
  if (kind === 'bar') {
    return <rect class="bar" x={from} y={-HALF} width={to - from} height={POINT} rx={HALF} />;
  }
  if (isFault) {
    return <path class="fault-mark" d={`M${from} -7l7 7l-7 7l-7 -7z`} />;
  }
  return (
    <>
      {count > 1 && <circle class="several" cx={from} cy={0} r={HALF + 3} />}
      <circle class="point" cx={from} cy={0} r={HALF} />
    </>
  );
}

function Ring({ place, kind }: { readonly place: Point | undefined; readonly kind: string }) {
  if (place === undefined) return null;
  return <circle class={`ring is-${kind}`} cx={place.x} cy={place.y} r={HALF + 4} />;
}

/** Effects of one entry that are linked. */
const LINKS_MAX = 200;

interface LinksProps {
  readonly run: Run;
  readonly chosen: Entry;
  readonly placeOf: (entry: Entry) => Point | undefined;
}

function Links({ run, chosen, placeOf }: LinksProps) {
  const causeOf = ({ event }: Entry): Entry | undefined =>
    event.causationId === undefined ? undefined : run.entryOf(event.causationId);
  const cause = causeOf(chosen);
  const effects = run.entries.filter((entry) => causeOf(entry) === chosen).slice(0, LINKS_MAX);
  const pairs = [
    ...(cause === undefined ? [] : [[cause, chosen] as const]),
    ...effects.map((effect) => [chosen, effect] as const),
  ];
  return (
    <>
      {pairs.map(([from, to]) => {
        const start = placeOf(from);
        const end = placeOf(to);
        if (start === undefined || end === undefined) return null;
        const bend = (start.x + end.x) / 2;
        return (
          <path
            key={`${from.key}-${to.key}`}
            class="link"
            d={`M${start.x} ${start.y}C${bend} ${start.y} ${bend} ${end.y} ${end.x} ${end.y}`}
          />
        );
      })}
    </>
  );
}
