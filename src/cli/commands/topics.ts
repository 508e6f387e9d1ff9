import type { Command } from 'commander';
import { addServerOptions, applyConfig, type ServerSettings } from '../config.js';
import { writeLine } from '../output.js';
import { Session } from '../session.js';
import { tableLines } from '../table.js';

/** `millrace topics`: lists the topics with stored events, and the number of events of each. */

interface TopicsOptions extends ServerSettings {
  json?: true;
}

export function addTopicsCommand(program: Command): void {
  const command = program
    .command('topics')
    .description('list the topics that have stored events')
    .argument('[pattern]', "list only topics that match this pattern; default '*'")
    .option('--json', 'one topic a line, as JSON');
  addServerOptions(command);
  command.action(async (pattern: string | undefined) => {
    applyConfig(command);
    await printTopics(pattern, command.opts<TopicsOptions>());
  });
}

async function printTopics(pattern: string | undefined, options: TopicsOptions): Promise<void> {
  const session = await Session.open(options);
  try {
    const topics = await session.topics(pattern);
    topics.sort((a, b) => (a.name < b.name ? -1 : 1));
    if (options.json === true) {
      for (const topic of topics) writeLine(JSON.stringify(topic));
      return;
    }
    const rows = topics.map(({ name, events, shard, firstSequence, lastSequence, lastAt }) => {
      return [name, events, shard, firstSequence, lastSequence, lastAt];
    });
    const header = ['topic', 'events', 'shard', 'first', 'last', 'last at'];
    for (const line of tableLines(header, rows)) writeLine(line);
  } finally {
    session.close();
  }
}
