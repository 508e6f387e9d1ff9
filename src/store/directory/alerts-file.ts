import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../../protocol/thrown.js';
import type { KeptText } from '../log-store.js';
import { storeError } from '../sqlite/driver/store-errors.js';
import { copyOwnFile, replaceFile } from './files.js';

/** `alerts.json` keeps the alert rules of a directory; `src/alerts` knows what is in it. */
const ALERTS = 'alerts.json';

export class AlertsFile implements KeptText {
  readonly file: string;

  constructor(dir: string) {
    this.file = alertsFile(dir);
  }

  read(): string | undefined {
    try {
      return readFileSync(this.file, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw storeError(error, this.file, 'reading');
    }
  }

  write(text: string): void {
    try {
      replaceFile(this.file, text);
    } catch (error) {
      throw storeError(error, this.file, 'writing');
    }
  }
}

/** Copies the rules of one directory into another, if it has any. */
export function copyAlerts(from: string, to: string): void {
  const source = alertsFile(from);
  if (existsSync(source)) copyOwnFile(source, alertsFile(to));
}

export function alertsFile(dir: string): string {
  return join(dir, ALERTS);
}
