import type { Command } from 'commander';
import { addCreateCommand } from './create.js';
import { addDirectingCommands } from './direct.js';
import { addLeaseCommands } from './leases.js';
import { addListCommands } from './list.js';
import { addPageCommands } from './pages.js';
import { addRedriveCommand } from './redrive.js';
import { addWorkCommand } from './work.js';

/** `millrace consumers`: makes consumers, looks at them, directs them, and works for them. */
export function addConsumersCommand(program: Command): void {
  const command = program
    .command('consumers')
    .description('make, watch and direct the durable consumers, and work for them');
  addListCommands(command);
  addCreateCommand(command);
  addWorkCommand(command);
  addLeaseCommands(command);
  addPageCommands(command);
  addRedriveCommand(command);
  addDirectingCommands(command);
}
