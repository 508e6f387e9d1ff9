/** Line icons, 24 by 24, drawn in the colour of the text. */

const PATHS = {
  overview: 'M4 19V11M10 19V5M16 19v-6M22 19H2',
  stream: 'M3 6h18M3 12h13M3 18h16',
  trace: 'M4 5h7M7 12h10M12 19h8M4 5v14',
  topics: 'M4 5h6l2 3h8v11H4z',
  subscribers: 'M4 18a8 8 0 0 1 8-8M4 12V6h6M14 6l6 6-6 6M20 12h-8',
  consumers: 'M3 12h6M9 12l5-6h7M9 12h12M9 12l5 6h7',
  publish: 'M4 12l16-8-6 16-3-6z',
  alerts: 'M6 16V11a6 6 0 1 1 12 0v5l2 2H4zM10 21h4',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M4 12H2M22 12h-2M5 5l1.5 1.5M17.5 17.5L19 19M19 5l-1.5 1.5M6.5 17.5L5 19',
  moon: 'M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z',
  system: 'M3 4h18v12H3zM8 20h8M12 16v4',
  close: 'M6 6l12 12M18 6L6 18',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M16 16l5 5',
  pause: 'M8 5v14M16 5v14',
  play: 'M7 4l13 8-13 8z',
  down: 'M12 4v15M6 13l6 6 6-6',
  right: 'M9 5l7 7-7 7',
  leave: 'M10 4H4v16h6M15 8l4 4-4 4M19 12H9',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
