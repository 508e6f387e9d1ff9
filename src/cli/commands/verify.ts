import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import type { VerifyFinding } from '../../store/upkeep/verify-finding.js';
import { CommandFailure, notify } from '../failure.js';
import { printable, writeLine } from '../output.js';

/** `millrace verify`: checks a directory on disk; a server may have it open. */

interface VerifyOptions {
  json?: true;
  archive?: string;
}

export function addVerifyCommand(program: Command): void {
  program
    .command('verify')
    .description(
      'check every shard file, checksum and sequence of a directory; exit 1 if anything is wrong',
    )
    .argument('<dir>', 'the directory')
    .option('--archive <dir>', 'check the archive of the directory too')
    .option('--json', 'one finding a line, as JSON')
    .action((dir: string, options: VerifyOptions) => verify(dir, options));
}

async function verify(dir: string, { json, archive }: VerifyOptions): Promise<void> {
  const isJson = json === true;
  // Imported here, as the commands that talk to a server need no SQLite.
  const { verifyDirectory } = await import('../../store/upkeep/verify.js');
  let errors = 0;
  const show = (finding: VerifyFinding): void => {
    if (finding.severity === 'error') errors++;
    writeLine(isJson ? JSON.stringify(finding) : readableFinding(finding));
  };
  for (const finding of verifyDirectory(dir)) show(finding);
  if (archive !== undefined) {
    const { verifyArchiveOf } = await import('../../archive/verify-archive.js');
    for await (const finding of verifyArchiveOf(dir, resolve(archive))) show(finding);
  }
  if (errors === 0) {
    notify(`${dir} is sound`);
    return;
  }
  throw new CommandFailure(`${dir} has ${errors} ${errors === 1 ? 'error' : 'errors'}`);
}

/** `error  shard-000.db  sequence 17  the checksum is wrong` */
function readableFinding({ severity, file, sequence, message }: VerifyFinding): string {
  const columns: string[] = [severity, basename(file)];
  if (sequence !== undefined) columns.push(`sequence ${sequence}`);
  columns.push(message);
  return printable(columns.join('  '));
}
