import { signal } from '@preact/signals';
import type { FunctionComponent } from 'preact';
import { useEffect } from 'preact/hooks';
import { Notice } from '../parts/notice.js';
import { SCREENS, type ScreenName } from '../state/place.js';
import { remembered } from '../state/remembered.js';
import { isConnected, isSignInKept } from '../state/session.js';

/**
 * The screens by name. Each is loaded when it is first shown, so that the first view loads little, and the others soon
 * after, so that they can be opened while the server is away.
 */

export const TITLES: Readonly<Record<ScreenName, string>> = {
  overview: 'Overview',
  stream: 'Stream',
  trace: 'Trace',
  topics: 'Topics',
  subscribers: 'Subscribers',
  consumers: 'Consumers',
  publish: 'Publish',
  alerts: 'Alerts',
};

type ScreenModule = { readonly default: FunctionComponent };

const MODULES: Readonly<Record<ScreenName, () => Promise<ScreenModule>>> = {
  overview: () => import('./overview/overview.js'),
  stream: () => import('./stream/stream.js'),
  trace: () => import('./trace/trace.js'),
  topics: () => import('./topics/topics.js'),
  subscribers: () => import('./subscribers/subscribers.js'),
  consumers: () => import('./consumers/consumers.js'),
  publish: () => import('./publish/publish.js'),
  alerts: () => import('./alerts/alerts.js'),
};

/** Long enough for the first screen to have asked for what it shows. */
const OTHERS_AFTER_MS = 1500;

const loaded = signal<ReadonlyMap<ScreenName, FunctionComponent>>(new Map());
/** The screen for which the page was loaded again, until it was loaded. */
const keptReload = remembered('millrace.reloaded', () => sessionStorage);
const failed = signal<ReadonlySet<ScreenName>>(new Set());

export function Screen({ name }: { readonly name: ScreenName }) {
  const Component = loaded.value.get(name);
  const isReachable = isConnected.value;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the effect is for the moment at which the server is back.
  useEffect(() => {
    if (!isReachable) return;
    // Browsers remember that a module could not be loaded, and answer a second import with the same failure.
    if (failed.peek().has(name) && isSignInKept()) reloadFor(name);
    // The next connection, and another visit, may load the page once more.
    return () => keptReload.write(undefined);
  }, [name, isReachable]);
  useEffect(() => {
    if (Component === undefined) return;
    const timer = window.setTimeout(loadOthers, OTHERS_AFTER_MS);
    return () => clearTimeout(timer);
  }, [Component]);
  if (Component !== undefined) return <Component />;
  if (!failed.value.has(name)) return <p class="loading">Loading …</p>;
  return (
    <Notice kind="warning">
      <div class="row">
        <span>This screen could not be loaded. The server may be away, or of another version.</span>
        <button type="button" onClick={() => location.reload()}>
          Load the page again
        </button>
      </div>
    </Notice>
  );
}

/** Loads the page again, once: something between the page and its server may refuse a file for good. */
function reloadFor(name: ScreenName): void {
  if (keptReload.read() === name) return;
  keptReload.write(name);
  location.reload();
}

/** Loads a screen while the page asks whether it may be shown. */
export function preload(name: ScreenName): void {
  void load(name);
}

async function load(name: ScreenName): Promise<void> {
  if (loaded.peek().has(name)) return;
  try {
    const { default: component } = await MODULES[name]();
    loaded.value = new Map(loaded.peek()).set(name, component);
    if (keptReload.read() === name) keptReload.write(undefined);
  } catch {
    failed.value = new Set(failed.peek()).add(name);
  }
}

function loadOthers(): void {
  for (const name of SCREENS) void load(name);
}
