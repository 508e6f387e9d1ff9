import type { Command } from 'commander';
import { nearestName } from '../protocol/name-hint.js';

/**
 * Refuses a word that is no subcommand of the group, and names the nearest one and the others. Where the group has a
 * default, Commander takes the word for an argument of it, and its options for unknown ones.
 */
export function refuseUnknownSubcommands(group: Command): void {
  group.on('command:*', ([word]: string[]) => refuse(group, word!));
  group.hook('preSubcommand', (_, subcommand) => {
    const [word = '-'] = group.args;
    if (word.startsWith('-') || word === subcommand.name()) return;
    refuse(group, word);
  });
}

function refuse(group: Command, word: string): never {
  const names = group.commands.map((one) => one.name());
  const nearest = nearestName(word, names);
  const hint = nearest === undefined ? '' : `\n(Did you mean ${nearest}?)`;
  const message = `error: unknown command '${word}'${hint}\n(there are ${names.join(', ')})`;
  return group.error(message, { code: 'commander.unknownCommand' });
}
