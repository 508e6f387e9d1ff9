import { readFileSync, statSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { FileWatch } from '../auth/file-watch.js';
import type { TlsOptions } from '../main/gateway-options.js';
import { BusError } from '../protocol/errors.js';
import { TLS_FILE_BYTES_MAX, TLS_POLL_MS, TLS_SETTLE_MS } from '../protocol/limits/gateway.js';
import { quote } from '../protocol/quote.js';
import type { GatewayLogger } from './gateway-log.js';

/**
 * A server's certificate and key, in files that may be replaced while the server runs. A new pair serves new
 * connections once both files are in place and the key fits the certificate; until then, and where a file is faulty,
 * the old pair is kept. One thread.
 */
export class TlsFiles {
  readonly #options: TlsOptions;
  readonly #log: GatewayLogger;
  #pair: SecureContextOptions;
  #watches: FileWatch[] = [];
  /** The last fault that was logged: the files are read again and again, but the same fault is logged once. */
  #complaint = '';

  /** @throws BusError `OPTION_INVALID` where a file cannot be read, or the two do not fit */
  constructor(options: TlsOptions, log: GatewayLogger) {
    this.#options = options;
    this.#log = log;
    this.#pair = readPair(options);
  }

  get pair(): SecureContextOptions {
    return this.#pair;
  }

  /** Calls `onChange` with each new pair, until `close()`. */
  watch(onChange: (pair: SecureContextOptions) => void): void {
    const { certFile, keyFile } = this.#options;
    const times = { pollMs: TLS_POLL_MS, settleMs: TLS_SETTLE_MS };
    const reload = (): void => this.#reload(onChange);
    this.#watches = [certFile, keyFile].map((file) => new FileWatch(file, reload, times));
  }

  close(): void {
    for (const watch of this.#watches.splice(0)) watch.close();
  }

  #reload(onChange: (pair: SecureContextOptions) => void): void {
    try {
      const pair = readPair(this.#options);
      this.#complaint = '';
      if (isSame(pair, this.#pair)) return;
      onChange(pair);
      this.#pair = pair;
      this.#log('info', 'certificate replaced', { certFile: this.#options.certFile });
    } catch (error) {
      const { message } = error as Error;
      if (message === this.#complaint) return;
      this.#complaint = message;
      this.#log('error', 'new certificate not taken: the old one is kept', { reason: message });
    }
  }
}

/** @throws BusError `OPTION_INVALID` */
function readPair({ certFile, keyFile, passphrase }: TlsOptions): SecureContextOptions {
  const cert = readBounded('tls.certFile', certFile);
  const key = readBounded('tls.keyFile', keyFile);
  const pair = passphrase === undefined ? { cert, key } : { cert, key, passphrase };
  try {
    createSecureContext(pair);
  } catch (error) {
    const files = `${quote(certFile)} and ${quote(keyFile)}`;
    const message = `option tls: ${files} are not a certificate and its key: ${(error as Error).message}`;
    throw new BusError('OPTION_INVALID', message, { cause: error, details: { option: 'tls' } });
  }
  return pair;
}

function readBounded(option: string, file: string): Buffer {
  const refuse = (reason: string, cause?: unknown): BusError => {
    const message = `option ${option}: ${quote(file)} ${reason}`;
    return new BusError('OPTION_INVALID', message, { cause, details: { option } });
  };
  try {
    if (statSync(file).size > TLS_FILE_BYTES_MAX) {
      throw refuse(`is longer than ${TLS_FILE_BYTES_MAX} bytes`);
    }
    return readFileSync(file);
  } catch (error) {
    if (error instanceof BusError) throw error;
    throw refuse(`cannot be read: ${(error as Error).message}`, error);
  }
}

function isSame(a: SecureContextOptions, b: SecureContextOptions): boolean {
  return (a.cert as Buffer).equals(b.cert as Buffer) && (a.key as Buffer).equals(b.key as Buffer);
}
