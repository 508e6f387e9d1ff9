import type { Command } from 'commander';
import type { RequestPayload } from '../../protocol/wire.js';
import { addServerOptions, applyConfig, type ServerSettings } from '../config.js';
import { CommandFailure } from '../failure.js';
import { eventFormat, writeLine } from '../output.js';
import { Session } from '../session.js';

/** `millrace get`: prints one stored event. */

interface GetOptions extends ServerSettings {
  source?: string;
  json?: true;
}

export function addGetCommand(program: Command): void {
  const command = program
    .command('get')
    .description('print the stored event that has an id')
    .argument('<topic>', "topic of the event, or a pattern; '*' is every topic")
    .argument('<id>', 'id of the event')
    .option('--source <source>', 'source of the event, if ids are unique only within their source')
    .option('--json', 'print the event as JSON');
  addServerOptions(command);
  command.action(async (topic: string, id: string) => {
    applyConfig(command);
    await get(topic, id, command.opts<GetOptions>());
  });
}

async function get(topic: string, id: string, options: GetOptions): Promise<void> {
  const session = await Session.open(options);
  try {
    const request: RequestPayload<'get'> = { topic, id };
    if (options.source !== undefined) request.source = options.source;
    const { events = [] } = await session.request('get', request);
    const [event] = events;
    if (event === undefined) throw new CommandFailure(`there is no event ${id} on ${topic}`);
    writeLine(eventFormat(options.json === true)(event));
  } finally {
    session.close();
  }
}
