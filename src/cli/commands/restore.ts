import { type Command, Option } from 'commander';
import { notify } from '../failure.js';
import { writeLine } from '../output.js';
import { formatNumber } from '../table.js';

/** `millrace restore`: checks a backup and makes a directory from it. */

interface RestoreOptions {
  to: string;
  json?: true;
}

export function addRestoreCommand(program: Command): void {
  program
    .command('restore')
    .description('check a backup and create a directory from it, with a new epoch')
    .argument('<backup>', 'a directory that `backup` made, or a copy of one that was closed')
    .addOption(new Option('--to <dir>', 'directory to create').makeOptionMandatory())
    .option('--json', 'print the outcome as JSON')
    .action(async (backup: string, { to, json }: RestoreOptions) => {
      // Imported here, as the commands that talk to a server need no SQLite.
      const { restore } = await import('../../store/upkeep/restore.js');
      const result = restore(backup, to);
      const { from, epoch, heads } = result;
      const events = heads.reduce((sum, head) => sum + head, 0);
      notify(`restored ${to} up to sequence ${formatNumber(events)} over all shards`);
      notify(`its epoch is ${epoch}; cursors of ${from} go on in it`);
      if (json === true) writeLine(JSON.stringify(result));
    });
}
