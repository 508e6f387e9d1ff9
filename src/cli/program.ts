import { Command } from 'commander';
import { VERSION } from '../gateway/version.js';
import { addPubCommand } from './commands/pub.js';
import { addQueryCommand } from './commands/query.js';
import { addReshardCommand } from './commands/reshard.js';
import { addServeCommand } from './commands/serve.js';
import { addSubCommand } from './commands/sub.js';
import { addVerifyCommand } from './commands/verify.js';

/**
 * All commands. Commander tells wrong usage on stderr and throws; nothing here ends the process.
 */
export function createProgram(): Command {
  const program = new Command('millrace')
    .description('A durable, ordered, replayable event bus.')
    .version(VERSION, '-V, --version')
    .showHelpAfterError('(--help tells more)')
    .exitOverride();
  addServeCommand(program);
  addPubCommand(program);
  addSubCommand(program);
  addQueryCommand(program);
  addVerifyCommand(program);
  addReshardCommand(program);
  return program;
}
