import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { jsonFaultText } from '../protocol/json-fault.js';
import { quote } from '../protocol/quote.js';
import { messageOf } from '../protocol/thrown.js';
import { type Config, parseConfig } from './config-schema.js';
import { usageFailure } from './failure.js';
import { parseServer, parseTimeout } from './values.js';

/**
 * The sources of a command's settings, in order: flag, environment (`MILLRACE_…`), config file, default. Commander
 * knows all but the file, whose values are put in before a command runs.
 */

const CONFIG_FILE = 'millrace.config.json';
const DEFAULT_SERVER = 'http://127.0.0.1:7400';
const DEFAULT_TIMEOUT_MS = 10_000;

export interface ServerSettings {
  readonly server: string;
  readonly token?: string;
  /** Milliseconds. */
  readonly timeout: number;
}

export function configOption(): Option {
  return new Option('--config <file>', `settings as JSON; default ${CONFIG_FILE}, if there`).env(
    'MILLRACE_CONFIG',
  );
}

/** Adds the options of every command that talks to a server. */
export function addServerOptions(command: Command): Command {
  return command
    .addOption(
      new Option('-s, --server <url>', "the server's address")
        .env('MILLRACE_SERVER')
        .default(DEFAULT_SERVER)
        .argParser(parseServer),
    )
    .addOption(new Option('--token <token>', 'authenticates this client').env('MILLRACE_TOKEN'))
    .addOption(
      new Option('--timeout <duration>', 'longest wait for the server: 500ms, 10s, 1m')
        .env('MILLRACE_TIMEOUT')
        .default(DEFAULT_TIMEOUT_MS, '10s')
        .argParser(parseTimeout),
    )
    .addOption(configOption());
}

/** Sets the options that neither flag nor environment has set to the config file's values. Returns the whole file. */
export function applyConfig(command: Command): Config {
  const { config: named } = command.opts<{ config?: string }>();
  const config = readConfig(named);
  const file = configPath(named);
  for (const option of command.options) {
    const key = option.attributeName();
    const source = command.getOptionValueSource(key);
    const value = Object.hasOwn(config, key) ? config[key as keyof Config] : undefined;
    if (value === undefined || source === 'cli' || source === 'env') continue;
    const isText = typeof value === 'string' || key === 'timeout';
    const parsed = isText ? parseText(option, key, String(value), file) : value;
    command.setOptionValueWithSource(key, parsed, 'config');
  }
  return config;
}

function parseText(option: Option, key: string, text: string, file: string): unknown {
  if (option.parseArg === undefined) return text;
  try {
    return option.parseArg(text, undefined);
  } catch (error) {
    const message = `${key} is ${quote(text)}. ${(error as Error).message}`;
    throw usageFailure(`config file ${file}: ${message}`);
  }
}

/** @param named by flag or environment */
export function configPath(named: string | undefined): string {
  return named ?? CONFIG_FILE;
}

/** Reads the config file; empty settings if none is named and the default one does not exist. */
export function readConfig(named: string | undefined): Config {
  const path = configPath(named);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (isAbsent && named === undefined) return {};
    throw usageFailure(`config file ${path}: ${isAbsent ? 'there is none' : messageOf(error)}`);
  }
  const parsed = parseConfig(parseJson(path, text));
  if ('config' in parsed) return parsed.config;
  const faults = parsed.faults.map((fault) => `  ${fault}`);
  throw usageFailure(`config file ${path}:\n${faults.join('\n')}`);
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw usageFailure(`config file ${path} is not JSON: ${jsonFaultText(text)}`);
  }
}
