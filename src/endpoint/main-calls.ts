import { assertAlertName, parseAlertRule } from '../protocol/alert-rule.js';
import type { AlertInfo, AlertList, AlertRuleInput } from '../protocol/alerts.js';
import { BusError } from '../protocol/errors.js';
import type { BackupResult } from '../protocol/operations.js';
import type { BackupOptions } from './bus-endpoint.js';
import { guarded } from './guarded.js';
import type { MainThread } from './main-thread.js';
import { parseBackupOptions } from './options.js';

/** The calls of an endpoint that the thread which opened the bus serves. */
export abstract class MainCalls {
  protected readonly main: MainThread;

  constructor(main: MainThread) {
    this.main = main;
  }

  protected abstract assertOpen(): void;
  /** Reports a failure that no promise can carry. */
  protected abstract report(error: BusError): void;

  async backup(dir: string, options: BackupOptions = {}): Promise<BackupResult> {
    this.assertOpen();
    const { signal, onProgress, dir: target } = parseBackupOptions(dir, options);
    if (signal?.aborted) {
      throw new BusError('ABORTED', 'aborted before the backup began', { cause: signal.reason });
    }
    const onFault = (error: BusError): void => this.report(error);
    const report = onProgress && guarded("'onProgress' of a backup", onProgress, onFault);
    return this.main.call('backup', { dir: target }, { signal, onProgress: report });
  }

  async alerts(): Promise<AlertList> {
    this.assertOpen();
    return this.main.call('alerts', {});
  }

  async setAlert(rule: AlertRuleInput): Promise<AlertInfo> {
    this.assertOpen();
    return this.main.call('setAlert', { rule: parseAlertRule(rule) });
  }

  async removeAlert(name: string): Promise<{ readonly removed: boolean }> {
    this.assertOpen();
    assertAlertName(name);
    return this.main.call('removeAlert', { name });
  }
}
