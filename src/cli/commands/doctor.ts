import { type Command, Option } from 'commander';
import { applyConfig, configOption } from '../config.js';
import { CommandFailure } from '../failure.js';
import { printable, writeLine } from '../output.js';
import { integerFrom } from '../values.js';

/** `millrace doctor`: checks whether this machine is fit to run a server, and how fast its disk is. */

interface DoctorCommandOptions {
  dir: string;
  host: string;
  port: number;
  json?: true;
}

const MARKS = { ok: 'ok   ', warning: 'warn ', failure: 'FAIL ' } as const;

export function addDoctorCommand(program: Command): void {
  const command = program
    .command('doctor')
    .description('check Node, SQLite, disk, limits, clock and port; exit 1 if anything is wrong')
    .addOption(
      new Option('--dir <dir>', 'directory of the events; it need not exist yet')
        .env('MILLRACE_DIR')
        .default('./data'),
    )
    .addOption(
      new Option('--host <host>', 'address that serve would bind')
        .env('MILLRACE_HOST')
        .default('127.0.0.1'),
    )
    .addOption(
      new Option('--port <port>', 'port that serve would bind')
        .env('MILLRACE_PORT')
        .default(7400)
        .argParser(integerFrom(0, 65_535)),
    )
    .option('--json', 'one finding a line, as JSON')
    .addOption(configOption());
  command.action(async () => {
    applyConfig(command);
    await doctor(command.opts<DoctorCommandOptions>());
  });
}

async function doctor(options: DoctorCommandOptions): Promise<void> {
  // Imported here, as the commands that talk to a server need no SQLite.
  const { examine } = await import('../examination.js');
  let failures = 0;
  for await (const finding of examine(options)) {
    if (finding.state === 'failure') failures++;
    const { state, check, message } = finding;
    const line = `${MARKS[state]} ${check.padEnd(14)} ${printable(message)}`;
    writeLine(options.json === true ? JSON.stringify(finding) : line);
  }
  if (failures > 0) {
    throw new CommandFailure(`${failures} ${failures === 1 ? 'check' : 'checks'} failed`);
  }
}
