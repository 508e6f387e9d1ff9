import { readFileSync } from 'node:fs';

/** This package's version, read once from its own `package.json`. */
export const VERSION = readVersion();
export const SERVER_NAME = `millrace/${VERSION}`;

function readVersion(): string {
  // The file is two folders above src/gateway and dist/gateway alike.
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
