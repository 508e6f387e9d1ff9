import { computed } from '@preact/signals';
import type { ScreenName } from './place.js';
import { grants, serverInfo } from './session.js';

/** The rights of the page's principal. The server enforces them; the page hides what it would refuse. */
export interface Access {
  readonly isReadOnly: boolean;
  readonly mayAdminister: boolean;
  readonly mayPublish: boolean;
  mayOpen(screen: ScreenName): boolean;
}

const ADMINISTRATORS: ReadonlySet<ScreenName> = new Set(['overview', 'subscribers', 'alerts']);

export const access = computed<Access>(() => {
  const given = grants.value;
  const isReadOnly = serverInfo.value?.dashboardReadOnly ?? false;
  const mayAdminister = given?.admin.includes('*') ?? true;
  const mayPublish = !isReadOnly && (given?.publish.length ?? 0) > 0;
  return {
    isReadOnly,
    mayAdminister,
    mayPublish,
    mayOpen: (screen) =>
      screen === 'publish' ? mayPublish : mayAdminister || !ADMINISTRATORS.has(screen),
  };
});
