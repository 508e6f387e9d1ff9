import { access } from '../../state/access.js';
import { hrefOf } from '../../state/place.js';
import { replayOf, type StreamSettings } from './settings.js';

/** Leads to the replay of the events that the Stream shows, for those who may publish. */
export function ReplayLink(props: {
  readonly settings: StreamSettings;
  /** Where the address names no topic. */
  readonly readable: readonly string[];
}) {
  const parameters = replayOf(props.settings, props.readable);
  if (parameters === undefined || !access.value.mayPublish) return null;
  return <a href={hrefOf('publish', parameters)}>Replay these</a>;
}
