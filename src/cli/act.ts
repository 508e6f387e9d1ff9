import type { Command } from 'commander';
import { applyConfig, type ServerSettings } from './config.js';
import { Session } from './session.js';

/** Runs a command's work in a session with the server. */
export async function act<O extends ServerSettings>(
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
