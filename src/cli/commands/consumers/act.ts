import type { Command } from 'commander';
import { applyConfig, type ServerSettings } from '../../config.js';
import { Session } from '../../session.js';

/** What the commands about consumers have in common. */
export interface ConsumerCommandOptions extends ServerSettings {
  json?: true;
}

/** Runs a command's work in a session with the server. */
export async function act<O extends ConsumerCommandOptions>(
  command: Command,
  work: (session: Session, options: O) => Promise<void>,
): Promise<void> {
  applyConfig(command);
  const options = command.opts<O>();
  const session = await Session.open(options);
  try {
    await work(session, options);
  } finally {
    session.close();
  }
}
