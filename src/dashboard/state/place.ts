import { signal } from '@preact/signals';

/**
 * The place in the dashboard: a screen and its parameters, kept in the fragment of the address (`#/stream?topic=a.*`),
 * so that a place can be sent to somebody, and so that no path of the page collides with one of the server.
 */

export const SCREENS = [
  'overview',
  'stream',
  'trace',
  'topics',
  'subscribers',
  'consumers',
  'publish',
  'alerts',
] as const;
export type ScreenName = (typeof SCREENS)[number];

export type Parameters = Readonly<Record<string, string | readonly string[]>>;

export interface Place {
  readonly screen: ScreenName;
  /** Whether the address names the screen; else it is the first one. */
  readonly isNamed: boolean;
  readonly parameters: URLSearchParams;
}

export const place = signal<Place>(placeOf(location.hash));

/** Follows the address from now on. */
export function followAddress(): void {
  addEventListener('hashchange', () => {
    place.value = placeOf(location.hash);
  });
}

/** The address of a place, for a link. */
export function hrefOf(screen: ScreenName, parameters: Parameters = {}): string {
  const query = queryOf(parameters);
  return `#/${screen}${query === '' ? '' : `?${query}`}`;
}

/** The screen of this name, where this page has one. */
export function screenNamed(name: string): ScreenName | undefined {
  return SCREENS.find((one) => one === name);
}

/** Goes to a place; the browser's way back leads here. */
export function go(screen: ScreenName, parameters: Parameters = {}): void {
  location.hash = hrefOf(screen, parameters);
  // The event of the browser comes later, and what is amended before that has to know the new place.
  place.value = placeOf(location.hash);
}

/** Goes to a screen without a step in the browser's history, where the address names none. */
export function landOn(screen: ScreenName): void {
  // The address is ahead of `place` between a click on a link and the browser's event.
  if (placeOf(location.hash).isNamed) return;
  history.replaceState(history.state, '', hrefOf(screen));
  place.value = placeOf(location.hash);
}

/** `undefined` and `''` remove a parameter. */
export type Changes = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Changes parameters of the present place without a step in the browser's history. */
export function amend(changes: Changes): void {
  const { next, address } = amended(changes);
  history.replaceState(history.state, '', address);
  place.value = next;
}

/**
 * Changes parameters as long as this screen is shown. A field that is left because its screen goes still tells its text,
 * and that belongs to no other screen.
 */
export function amendOn(screen: ScreenName, changes: Changes): void {
  if (placeOf(location.hash).screen === screen) amend(changes);
}

/** Changes parameters with a step in the browser's history, which `stepBack` or its way back undoes. */
export function step(changes: Changes): void {
  const { next, address } = amended(changes);
  history.pushState(STEP, '', address);
  place.value = next;
}

/** Undoes the step that led here. False where none did. */
export function stepBack(): boolean {
  const state: unknown = history.state;
  if (typeof state !== 'object' || state === null || !('isStep' in state)) return false;
  history.back();
  return true;
}

const STEP = { isStep: true } as const;

/** The address is ahead of `place` between a click on a link and the browser's event. */
function amended(changes: Changes): { next: Place; address: string } {
  const { screen, parameters } = placeOf(location.hash);
  const next = new URLSearchParams(parameters);
  for (const [name, value] of Object.entries(changes)) {
    next.delete(name);
    for (const one of listed(value)) next.append(name, one);
  }
  const query = next.toString();
  const address = `#/${screen}${query === '' ? '' : `?${query}`}`;
  return { next: { screen, isNamed: true, parameters: next }, address };
}

function placeOf(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const named = screenNamed(path);
  return {
    screen: named ?? 'overview',
    isNamed: named !== undefined,
    parameters: new URLSearchParams(query),
  };
}

function queryOf(parameters: Parameters): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of listed(value)) query.append(name, one);
  }
  return query.toString();
}

function listed(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined || value === '') return [];
  return typeof value === 'string' ? [value] : value;
}
