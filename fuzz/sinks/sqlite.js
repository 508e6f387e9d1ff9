import { createRequire } from 'node:module';

/** Node-API 10 came with Node 22.14, and the binaries of `better-sqlite3` 13 need it. */
const NODE_API_LEAST = 10;

/** The package that runs on this Node. */
export const sqlitePackage =
  Number(process.versions.napi) >= NODE_API_LEAST ? 'better-sqlite3-13' : 'better-sqlite3';

/** It comes without types. */
export const Database = createRequire(import.meta.url)(sqlitePackage);
