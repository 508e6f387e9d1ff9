import type { FunctionComponent } from 'preact';
import { lazy, Suspense } from 'preact/compat';
import type { ScreenName } from '../state/place.js';

/** The screens by name. Each is loaded when it is first shown, so that the first view loads little. */

export const TITLES: Readonly<Record<ScreenName, string>> = {
  overview: 'Overview',
  stream: 'Stream',
  topics: 'Topics',
  subscribers: 'Subscribers',
};

const COMPONENTS: Readonly<Record<ScreenName, FunctionComponent>> = {
  overview: lazy(() => import('./overview/overview.js')),
  stream: lazy(() => import('./stream/stream.js')),
  topics: lazy(() => import('./topics/topics.js')),
  subscribers: lazy(() => import('./subscribers/subscribers.js')),
};

export function Screen({ name }: { readonly name: ScreenName }) {
  const Component = COMPONENTS[name];
  return (
    <Suspense fallback={<p class="loading">Loading …</p>}>
      <Component />
    </Suspense>
  );
}
