import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { BackupResult } from '../../protocol/operations.js';
import { addServerOptions, applyConfig, type ServerSettings } from '../config.js';
import { notify } from '../failure.js';
import { openDirectory } from '../open-directory.js';
import { writeLine } from '../output.js';
import { Session } from '../session.js';
import { formatBytes, formatNumber } from '../table.js';

/** `millrace backup`: copies a directory of events, through the server that has it open, or by opening it itself. */

interface BackupCommandOptions extends ServerSettings {
  dir?: string;
  json?: true;
}

export function addBackupCommand(program: Command): void {
  const command = program
    .command('backup')
    .description('copy all events into a new directory, while they are being served')
    .argument('<to>', "directory to create; with --server, on the server's machine")
    .addOption(new Option('--dir <dir>', 'copy this directory; no server may have it open'))
    .option('--json', 'print the outcome as JSON');
  addServerOptions(command);
  command.action(async (to: string) => {
    // Only the flag `--dir` counts: the config file's `dir` is for `serve`, and a server may have it open.
    const { dir } = command.opts<BackupCommandOptions>();
    applyConfig(command);
    const options = command.opts<BackupCommandOptions>();
    const result = dir === undefined ? await askServer(to, options) : await copyOf(dir, to);
    const events = result.heads.reduce((sum, head) => sum + head, 0);
    notify(
      `copied ${formatBytes(result.bytes)} to ${to}, up to sequence ${formatNumber(events)} over all shards`,
    );
    if (options.json === true) writeLine(JSON.stringify(result));
  });
}

async function askServer(to: string, options: BackupCommandOptions): Promise<BackupResult> {
  const session = await Session.open(options);
  try {
    const answer = await session.requestWithoutTimeout('backup', { dir: resolve(to) });
    return answer.backup as BackupResult;
  } finally {
    session.close();
  }
}

async function copyOf(dir: string, to: string): Promise<BackupResult> {
  const bus = await openDirectory(dir);
  const { isTTY } = process.stderr;
  try {
    return await bus.backup(to, {
      onProgress: ({ shard, shards, pages, pagesLeft }) => {
        if (!isTTY) return;
        process.stderr.write(
          `\rshard ${shard + 1} of ${shards}: ${pages - pagesLeft}/${pages} pages`,
        );
      },
    });
  } finally {
    if (isTTY) process.stderr.write('\n');
    await bus.close();
  }
}
