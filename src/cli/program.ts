import { Command } from 'commander';
import { VERSION } from '../gateway/version.js';
import { addAlertsCommand } from './commands/alerts.js';
import { addBackupCommand } from './commands/backup.js';
import { addBenchCommand } from './commands/bench.js';
import { addConnectionsCommand } from './commands/connections.js';
import { addConsumersCommand } from './commands/consumers/consumers.js';
import { addCopyCommand } from './commands/copy.js';
import { addDoctorCommand } from './commands/doctor.js';
import { addGetCommand } from './commands/get.js';
import { addPruneCommand } from './commands/prune.js';
import { addPubCommand } from './commands/pub.js';
import { addLatestCommand, addQueryCommand } from './commands/query.js';
import { addRequestCommand } from './commands/request.js';
import { addReshardCommand } from './commands/reshard.js';
import { addRespondCommand } from './commands/respond.js';
import { addRestoreCommand } from './commands/restore.js';
import { addScheduledCommand } from './commands/scheduled.js';
import { addSchedulesCommand } from './commands/schedules.js';
import { addServeCommand } from './commands/serve.js';
import { addStatsCommand } from './commands/stats.js';
import { addSubCommand } from './commands/sub.js';
import { addTokenCommand } from './commands/token.js';
import { addTopCommand } from './commands/top.js';
import { addTopicsCommand } from './commands/topics.js';
import { addVerifyCommand } from './commands/verify.js';
import { addVerifyAuditCommand } from './commands/verify-audit.js';
import { refuseUnknownSubcommands } from './subcommands.js';

/** All commands. On wrong usage Commander prints a message on stderr and throws; nothing here ends the process. */
export function createProgram(): Command {
  const program = new Command('millrace')
    .description('A durable, ordered, replayable event bus.')
    .version(VERSION, '-V, --version')
    .showHelpAfterError('(--help tells more)')
    .exitOverride();
  addServeCommand(program);
  addPubCommand(program);
  addSubCommand(program);
  addRequestCommand(program);
  addRespondCommand(program);
  addQueryCommand(program);
  addLatestCommand(program);
  addGetCommand(program);
  addTopicsCommand(program);
  addStatsCommand(program);
  addTopCommand(program);
  addVerifyCommand(program);
  addVerifyAuditCommand(program);
  addBackupCommand(program);
  addRestoreCommand(program);
  addPruneCommand(program);
  addAlertsCommand(program);
  addConnectionsCommand(program);
  addConsumersCommand(program);
  addSchedulesCommand(program);
  addScheduledCommand(program);
  addDoctorCommand(program);
  addBenchCommand(program);
  addReshardCommand(program);
  addCopyCommand(program);
  addTokenCommand(program);
  for (const group of program.commands) {
    if (group.commands.length > 0) refuseUnknownSubcommands(group);
  }
  return program;
}
