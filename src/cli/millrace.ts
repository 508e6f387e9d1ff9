#!/usr/bin/env node
import { reportFailure } from './failure.js';
import { endQuietlyWithReader } from './output.js';
import { createProgram } from './program.js';

/** The command `millrace`. Exit codes: 0 done, 1 failed, 2 wrong usage. */

endQuietlyWithReader();
try {
  await createProgram().parseAsync();
} catch (error) {
  process.exitCode = reportFailure(error);
}
