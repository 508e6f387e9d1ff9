import { lazy, Suspense } from 'preact/compat';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { shownAddress } from '../event/shown-event.js';
import { preload, Screen, TITLES } from '../screens/screen.js';
import { access } from '../state/access.js';
import { firing } from '../state/alerts.js';
import { now } from '../state/now.js';
import { hrefOf, landOn, place, SCREENS, type ScreenName } from '../state/place.js';
import {
  connectionState,
  disconnectedAt,
  grantsError,
  isSignedIn,
  serverInfo,
  signOut,
} from '../state/session.js';
import { THEMES, theme } from '../state/theme.js';
import { duration } from '../text/format.js';
import { Icon } from './icon.js';
import { Mark } from './mark.js';
import { Notice } from './notice.js';

const EventDrawer = lazy(() => import('../event/event-drawer.js'));

/** The frame of every screen: the way to the others, the state of the connection, the environment's name. */
export function Shell() {
  const { screen } = place.value;
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={focusScreen}>
        To the content
      </button>
      <Navigation current={screen} />
      <header class="top">
        <h1>{TITLES[screen]}</h1>
        <Environment />
        <Connection />
        <ThemeButton />
        {isSignedIn.value && (
          <button type="button" class="quiet" onClick={signOut} title="Sign out">
            <Icon name="leave" />
            <span class="hidden">Sign out</span>
          </button>
        )}
      </header>
      <Content screen={screen} />
      {shownAddress.value !== undefined && (
        <Suspense fallback={null}>
          <EventDrawer />
        </Suspense>
      )}
    </div>
  );
}

function Navigation({ current }: { readonly current: ScreenName }) {
  const screens = SCREENS.filter((name) => access.value.mayOpen(name));
  return (
    <nav class="side" aria-label="Screens">
      <a class="home" href={hrefOf(screens[0] ?? 'overview')}>
        <Mark />
        <span>Millrace</span>
      </a>
      <ul>
        {screens.map((name) => (
          <li key={name}>
            <a href={hrefOf(name)} aria-current={name === current ? 'page' : undefined}>
              <Icon name={name} />
              <span>{TITLES[name]}</span>
              {name === 'alerts' && <FiringCount />}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function FiringCount() {
  const count = firing.value.length;
  if (count === 0) return null;
  return (
    <b class="count">
      {count}
      <span class="hidden"> {count === 1 ? 'fires' : 'fire'}</span>
    </b>
  );
}

/** The screen. A change of screens moves the focus here, so that the keyboard and a screen reader follow. */
function Content({ screen }: { readonly screen: ScreenName }) {
  const main = useRef<HTMLElement>(null);
  const shown = useRef(screen);
  const count = firing.value.length;
  const { mayOpen } = access.value;
  const first = SCREENS.find(mayOpen);
  const isElsewhere = first !== undefined && !place.value.isNamed && !mayOpen(screen);
  useEffect(() => preload(screen), [screen]);
  useLayoutEffect(() => {
    if (isElsewhere) landOn(first);
  }, [isElsewhere, first]);
  useEffect(() => {
    document.title = `${count === 0 ? '' : `(${count}) `}${TITLES[screen]} · Millrace`;
  }, [screen, count]);
  useEffect(() => {
    if (shown.current !== screen) main.current?.focus({ preventScroll: true });
    shown.current = screen;
  }, [screen]);
  return (
    <main id="screen" ref={main} tabIndex={-1} class={`screen screen-${screen}`}>
      {mayOpen(screen) ? <Screen name={screen} /> : <Refused />}
    </main>
  );
}

/** Says why the screen is not shown. */
function Refused() {
  const { isKnown, isReadOnly, mayOpen } = access.value;
  if (isKnown) {
    return <Notice>{refusalOf(isReadOnly, SCREENS.some(mayOpen))}</Notice>;
  }
  const error = grantsError.value;
  if (error === undefined) return <p class="loading">Loading …</p>;
  return (
    <Notice kind="warning">
      The server has not said what this page may show ({error}). The page asks again.
    </Notice>
  );
}

function refusalOf(isReadOnly: boolean, mayOpenAny: boolean): string {
  if (!mayOpenAny) return 'Your token may open no screen of the dashboard.';
  return isReadOnly ? 'The dashboard is read-only here.' : 'Your token may not open this screen.';
}

function focusScreen(): void {
  document.getElementById('screen')?.focus();
}

function Environment() {
  const info = serverInfo.value;
  return (
    <>
      {info?.environment !== undefined && <span class="environment">{info.environment}</span>}
      {access.value.isReadOnly && <span class="badge">read-only</span>}
    </>
  );
}

function Connection() {
  const lost = disconnectedAt.value;
  const { value: state } = connectionState;
  const isLost = state !== 'connected' && state !== 'connecting';
  const since = lost === undefined ? '' : ` for ${duration(Math.max(1000, now.value - lost))}`;
  const text = isLost ? `Not connected${since}` : state === 'connected' ? 'Live' : 'Connecting';
  return (
    <span
      id="show-connection"
      tabIndex={-1}
      class={`connection ${isLost ? 'is-lost' : state === 'connected' ? 'is-live' : ''}`}
    >
      <i aria-hidden="true" />
      <span aria-hidden="true">{text}</span>
      {/* A reader is told of a change, not of each second, and not of the page's first connection. */}
      <span class="hidden" role="status">
        {isLost ? 'Not connected' : state === 'connected' ? 'Connected' : ''}
      </span>
    </span>
  );
}

const THEME_ICONS = { system: 'system', light: 'sun', dark: 'moon' } as const;

function ThemeButton() {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length]!;
  const label = `Theme: ${theme.value}; change to ${next}`;
  return (
    <button
      type="button"
      class="quiet"
      title={label}
      onClick={() => {
        theme.value = next;
      }}
    >
      <Icon name={THEME_ICONS[theme.value]} />
      <span class="hidden">{label}</span>
    </button>
  );
}
