import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { isDark } from '../state/theme.js';
import { clock } from '../text/format.js';

/**
 * A line chart over time, drawn on a canvas that follows the size of its box and the theme. Its caption has the last
 * values, and those of the time that the mouse or the arrow keys point at.
 */

export interface Line {
  readonly name: string;
  /** One value for each time; `null` leaves a gap. */
  readonly values: readonly (number | null)[];
}

export interface ChartProps {
  readonly title: string;
  /** Seconds since 1970, ascending. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  /** A value as the axis and the description show it. */
  readonly format: (value: number) => string;
  /** The end of the axis; default: somewhat beyond the largest value. */
  readonly most?: number | undefined;
  /** The axis reaches at least this far; default 1. */
  readonly least?: number | undefined;
  /** The axis is divided by powers of two. */
  readonly isBinary?: boolean | undefined;
  /** Charts of one group share the time that is pointed at. */
  readonly group?: string;
  readonly id?: string | undefined;
  /** Pixels. */
  readonly height?: number;
}

/** Lines differ in colour and in their dashes. */
const STYLES = [
  { colour: '--one', dash: [] },
  { colour: '--two', dash: [6, 3] },
  { colour: '--three', dash: [2, 3] },
  { colour: '--four', dash: [9, 3, 2, 3] },
] as const;

const POWERS_OF_TWO = Array.from({ length: 50 }, (_, power) => 2 ** power);

/** Seconds. A chart of a bus that has just begun is not drawn out further than this. */
const SPAN_MIN = 60;

export function Chart(props: ChartProps) {
  const { title, times, lines, format, height = 120 } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const pointed = useSignal<number | undefined>(undefined);
  const names = lines.map(({ name }) => name).join('\n');
  const dark = isDark.value;
  // biome-ignore lint/correctness/useExhaustiveDependencies: new values are set below, without a new chart; a change of the theme needs one.
  useLayoutEffect(() => {
    const element = box.current!;
    const onCursor = ({ cursor }: uPlot): void => {
      pointed.value = cursor.idx ?? undefined;
    };
    const options = optionsOf(element, { ...props, height }, onCursor);
    const made = new uPlot(options, dataOf(times, lines), element);
    plot.current = made;
    const sized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    sized.observe(element);
    return () => {
      sized.disconnect();
      made.destroy();
    };
  }, [names, dark, height]);
  useEffect(() => plot.current?.setData(dataOf(times, lines)), [times, lines]);
  const last = times.length - 1;
  const at = Math.min(pointed.value ?? last, last);
  const time = clock(times[at]! * 1000).slice(0, 8);
  const point = (to: number): void => {
    if (plot.current !== undefined)
      pointAt(plot.current, props.group, Math.max(0, Math.min(to, last)));
  };
  const values = lines.map((line) => `${line.name} ${valueAt(line, at, format)}`);
  return (
    <figure class="chart card" id={props.id} tabIndex={props.id === undefined ? undefined : -1}>
      <figcaption>
        <h3>{title}</h3>
        <time class={`number ${pointed.value === undefined ? 'is-last' : ''}`}>{time}</time>
        <ul>
          {lines.map((line, index) => (
            <li key={line.name}>
              <Key index={index} />
              {line.name} <b class="number">{valueAt(line, at, format)}</b>
            </li>
          ))}
        </ul>
      </figcaption>
      <div
        ref={box}
        class="plot"
        style={{ height: `${height}px` }}
        role="slider"
        tabIndex={0}
        title={`${title}, ${clock(times[0]! * 1000).slice(0, 5)} to ${clock(times[last]! * 1000).slice(0, 5)}`}
        aria-label={`${title}: time`}
        aria-valuemin={0}
        aria-valuemax={last}
        aria-valuenow={at}
        aria-valuetext={`${time}: ${values.join(', ')}`}
        onKeyDown={(event) => {
          const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
          if (to === undefined) return;
          event.preventDefault();
          point(to);
        }}
        onBlur={() => {
          if (plot.current !== undefined) pointAt(plot.current, props.group, undefined);
        }}
      />
    </figure>
  );
}

/** Moves the cursor of a chart, and of the others in its group, as the mouse would; `undefined` takes it away. */
function pointAt(plot: uPlot, group: string | undefined, index: number | undefined): void {
  const plots = group === undefined ? [plot] : uPlot.sync(group).plots;
  for (const one of plots) {
    if (index === undefined) one.setCursor({ left: -10, top: -10 });
    else one.setCursor({ left: one.valToPos(plot.data[0][index]!, 'x'), top: 0 });
  }
}

/** The look of a line, for the caption. */
function Key({ index }: { readonly index: number }) {
  const { colour, dash } = STYLES[index % STYLES.length]!;
  return (
    <svg class="key" viewBox="0 0 18 4" aria-hidden="true">
      <path d="M0 2h18" style={{ stroke: `var(${colour})` }} stroke-dasharray={dash.join(' ')} />
    </svg>
  );
}

/** The last sample of all may hold no value of a line: then its last value is shown. */
function valueAt({ values }: Line, at: number, format: (value: number) => string): string {
  const value =
    at === values.length - 1 ? values.slice(-5).findLast((one) => one !== null) : values[at];
  return value === undefined || value === null ? '–' : format(value);
}

function dataOf(times: readonly number[], lines: readonly Line[]): uPlot.AlignedData {
  return [times as number[], ...lines.map(({ values }) => values as (number | null)[])];
}

function optionsOf(
  element: HTMLElement,
  {
    lines,
    format,
    most,
    least = 1,
    isBinary,
    group,
    height,
  }: ChartProps & { readonly height: number },
  onCursor: (plot: uPlot) => void,
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string): string => resolved(element, style.getPropertyValue(name));
  const axis = {
    stroke: colour('--soft'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: element.clientWidth,
    height,
    legend: { show: false },
    cursor: {
      drag: { x: false, y: false },
      points: { size: 5 },
      ...(group === undefined ? {} : { sync: { key: group, setSeries: false } }),
    },
    hooks: { setCursor: [onCursor] },
    scales: {
      x: { range: (_plot, first, last) => [Math.min(first, last - SPAN_MIN), last] },
      y: { range: (_plot, _least, largest) => [0, most ?? Math.max(least, largest * 1.1)] },
    },
    axes: [
      {
        ...axis,
        size: 24,
        space: 60,
        values: (_plot, ticks) => ticks.map((seconds) => clock(seconds * 1000).slice(0, 5)),
        incrs: [60, 120, 180, 300],
      },
      {
        ...axis,
        size: 58,
        space: 28,
        ...(isBinary ? { incrs: POWERS_OF_TWO } : {}),
        values: (_plot, ticks) => ticks.map((value) => withoutZeros(format(value))),
      },
    ],
    series: [
      {},
      ...lines.map(({ name }, index) => {
        const { colour: token, dash } = STYLES[index % STYLES.length]!;
        return {
          label: name,
          stroke: colour(token),
          width: 1.5,
          dash: [...dash],
          points: { show: false },
        };
      }),
    ],
  };
}

/** `1.00k` → `1k` */
function withoutZeros(text: string): string {
  return text.replace(/\.0+(?=\D|$)/, '');
}

/** A canvas does not know `light-dark()`: the browser works the colour out for an element. */
function resolved(element: HTMLElement, value: string): string {
  const probe = document.createElement('i');
  probe.style.color = value;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
