import type { ServerSettings } from '../../config.js';

/** What the commands about consumers have in common. */
export interface ConsumerCommandOptions extends ServerSettings {
  json?: true;
}
