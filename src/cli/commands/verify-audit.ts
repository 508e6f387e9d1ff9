import { readFileSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import { quote } from '../../protocol/quote.js';
import { messageOf } from '../../protocol/thrown.js';
import { hmacKeyFault, hmacSeal, publicKeyCheck, type SealCheck } from '../../sinks/audit/seal.js';
import { listTrail } from '../../sinks/audit/trail-files.js';
import { type TrailReport, verifyTrail } from '../../sinks/audit/verify.js';
import { CommandFailure, failing, usageFailure } from '../failure.js';
import { writeLine } from '../output.js';
import { collectList } from '../values.js';

/** `millrace verify-audit`: checks the files of an audit trail, without a server. */

interface VerifyAuditOptions {
  expectHead?: string;
  keyFile?: string[];
  publicKeyFile?: string[];
  json?: true;
}

const HASH = /^[0-9a-f]{64}$/;

export function addVerifyAuditCommand(program: Command): void {
  program
    .command('verify-audit')
    .description('check an audit trail: exit 1 if a line was changed, removed, put in or moved')
    .argument('<path...>', 'directories of trails, or the files of one trail in their order')
    .option('--expect-head <hash>', 'a hash that was kept elsewhere: a line has to have it')
    .option(
      '--key-file <file>',
      'key by which the lines are sealed (HMAC), as bytes; may be repeated',
      collectList,
    )
    .option(
      '--public-key-file <file>',
      'public key by which they are signed, PEM; may be repeated',
      collectList,
    )
    .option('--json', 'the report of each trail on a line, as JSON')
    .action((paths: string[], options: VerifyAuditOptions) => verifyAudit(paths, options));
}

async function verifyAudit(paths: string[], options: VerifyAuditOptions): Promise<void> {
  const { expectHead, json } = options;
  if (expectHead !== undefined && !HASH.test(expectHead)) {
    throw usageFailure(`--expect-head is ${quote(expectHead)}, and should be 64 digits of hex`);
  }
  const keys = keysOf(options);
  let faults = 0;
  for (const { name, files } of await trailsOf(paths)) {
    const report = await verifyTrail(files, {
      keys,
      ...(expectHead === undefined ? {} : { expectHead }),
    }).catch((error) => {
      throw new CommandFailure(messageOf(error));
    });
    if (report.fault !== undefined) faults++;
    writeLine(json ? JSON.stringify({ trail: name, ...report }) : readable(name, report));
  }
  if (faults === 0) return;
  throw new CommandFailure(`${faults} ${faults === 1 ? 'trail is' : 'trails are'} not as written`);
}

/** Each directory is a trail; files that are named by themselves are one together. */
async function trailsOf(paths: readonly string[]): Promise<{ name: string; files: string[] }[]> {
  const trails: { name: string; files: string[] }[] = [];
  const files = paths.filter((path) => !failing(() => statSync(path)).isDirectory());
  if (files.length > 0) trails.push({ name: files[0]!, files });
  for (const path of paths) {
    if (files.includes(path)) continue;
    const found = (await listTrail(path)).map((file) => file.path);
    if (found.length === 0) throw new CommandFailure(`${path} has no file of a trail`);
    trails.push({ name: path, files: found });
  }
  return trails;
}

function keysOf({ keyFile = [], publicKeyFile = [] }: VerifyAuditOptions): SealCheck[] {
  const read = (file: string): Buffer => failing(() => readFileSync(file));
  const shared = keyFile.map((file) => {
    const key = read(file);
    const fault = hmacKeyFault(key);
    if (fault !== undefined) throw usageFailure(`--key-file ${file}: ${fault}`);
    return hmacSeal(key);
  });
  const signers = publicKeyFile.map((file) => {
    try {
      return publicKeyCheck(read(file).toString());
    } catch (error) {
      throw usageFailure(`--public-key-file ${file}: ${messageOf(error)}`);
    }
  });
  return [...shared, ...signers];
}

const SEALS = {
  right: 'all sealed with the key',
  unchecked: 'sealed; give --key-file or --public-key-file to check the seals',
  none: 'not sealed',
} as const;

/** `trail: 1203 lines in 3 files are as written, all sealed with the key; head 5f…` */
function readable(name: string, report: TrailReport): string {
  const { fault, files, firstLine, lastLine, head, seals, repairs, anchorLine } = report;
  if (fault !== undefined) return `${name}: ${fault.message}`;
  const count = lastLine - firstLine + 1;
  const parts = [`${count} lines in ${files} ${files === 1 ? 'file' : 'files'} are as written`];
  if (firstLine > 1) parts.push(`from line ${firstLine} on (earlier files were not given)`);
  parts.push(SEALS[seals]);
  if (repairs > 0) parts.push(`torn ${repairs} times by a crash, and repaired`);
  if (anchorLine !== undefined) parts.push(`the expected head is line ${anchorLine}`);
  return `${name}: ${parts.join(', ')}; head ${head}`;
}
