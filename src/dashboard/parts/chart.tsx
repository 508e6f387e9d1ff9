import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { isDark } from '../state/theme.js';

/** A line chart over time, drawn on a canvas that follows the size of its box and the theme. */

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
  /** Pixels. */
  readonly height?: number;
}

const COLOURS = ['--one', '--two', '--three', '--four'] as const;

export function Chart({ title, times, lines, format, height = 150 }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const names = lines.map(({ name }) => name).join('\n');
  const dark = isDark.value;
  // biome-ignore lint/correctness/useExhaustiveDependencies: new values are set below, without a new chart; a change of the theme needs one.
  useLayoutEffect(() => {
    const element = box.current!;
    const made = new uPlot(
      optionsOf(element, lines, format, height),
      dataOf(times, lines),
      element,
    );
    plot.current = made;
    const sized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    sized.observe(element);
    return () => {
      sized.disconnect();
      made.destroy();
    };
  }, [names, dark, height]);
  useEffect(() => plot.current?.setData(dataOf(times, lines)), [times, lines]);
  return (
    <figure class="chart card">
      <figcaption>
        <h3>{title}</h3>
        <ul>
          {lines.map(({ name, values }, index) => (
            <li key={name}>
              <i
                style={{ background: `var(${COLOURS[index % COLOURS.length]})` }}
                aria-hidden="true"
              />
              {name} <b class="number">{lastOf(values, format)}</b>
            </li>
          ))}
        </ul>
      </figcaption>
      <div ref={box} class="plot" style={{ height: `${height}px` }} aria-hidden="true" />
    </figure>
  );
}

function lastOf(values: readonly (number | null)[], format: (value: number) => string): string {
  const last = values.findLast((value) => value !== null);
  return last === undefined || last === null ? '–' : format(last);
}

function dataOf(times: readonly number[], lines: readonly Line[]): uPlot.AlignedData {
  return [times as number[], ...lines.map(({ values }) => values as (number | null)[])];
}

function optionsOf(
  element: HTMLElement,
  lines: readonly Line[],
  format: (value: number) => string,
  height: number,
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string): string => resolved(element, style.getPropertyValue(name));
  const font = '11px system-ui, sans-serif';
  const axis = {
    stroke: colour('--soft'),
    font,
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: element.clientWidth,
    height,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 5 } },
    scales: { y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.1 : 1] } },
    axes: [
      { ...axis, size: 28 },
      { ...axis, size: 56, values: (_plot, ticks) => ticks.map((value) => format(value)) },
    ],
    series: [
      {},
      ...lines.map(({ name }, index) => ({
        label: name,
        stroke: colour(COLOURS[index % COLOURS.length]!),
        width: 1.5,
        points: { show: false },
      })),
    ],
  };
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
