import { computed } from '@preact/signals';
import type { ScreenName } from './place.js';
import { grants, OWN_SOURCE, serverInfo } from './session.js';

/** The rights of the page's principal. The server enforces them; the page hides what it would refuse. */
export interface Access {
  /** The server has said what the principal may do. Before that it may do nothing. */
  readonly isKnown: boolean;
  readonly isReadOnly: boolean;
  readonly mayAdminister: boolean;
  readonly mayPublish: boolean;
  readonly mayRead: boolean;
  /** It may see some consumers, and take their events. */
  readonly mayConsume: boolean;
  mayOpen(screen: ScreenName): boolean;
}

type Right = 'mayAdminister' | 'mayConsume' | 'mayPublish' | 'mayRead';

const NEEDS: Readonly<Record<ScreenName, Right>> = {
  overview: 'mayAdminister',
  stream: 'mayRead',
  trace: 'mayRead',
  topics: 'mayRead',
  subscribers: 'mayAdminister',
  consumers: 'mayConsume',
  publish: 'mayPublish',
  alerts: 'mayAdminister',
};

export const access = computed<Access>(() => {
  const given = grants.value;
  const isReadOnly = serverInfo.value?.dashboardReadOnly ?? false;
  const rights: Readonly<Record<Right, boolean>> = {
    mayAdminister: given?.admin.includes('*') ?? false,
    mayConsume: (given?.consume.length ?? 0) > 0 || (given?.admin.includes('*') ?? false),
    mayPublish: !isReadOnly && (given?.publish.length ?? 0) > 0,
    mayRead: (given?.subscribe.length ?? 0) > 0,
  };
  return {
    ...rights,
    isKnown: given !== undefined,
    isReadOnly,
    mayOpen: (screen) => rights[NEEDS[screen]],
  };
});

const readable = computed(() => {
  const given = grants.value?.subscribe;
  return given?.includes('*') ? ['*'] : given;
});

/**
 * The patterns of all that the principal may read, for a request that names no topic: the server refuses `*` to those
 * who may not read everything. Undefined until the server has said; the same list until the grants change.
 */
export function readablePatterns(): readonly string[] | undefined {
  return readable.value;
}

/** The source of an event that the page publishes with this source, or with none: the server may force another one. */
export function sourceOf(given: string): string {
  return grants.peek()?.source ?? (given === '' ? OWN_SOURCE : given);
}
