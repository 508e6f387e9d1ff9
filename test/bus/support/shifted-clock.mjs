/** `--import`ed into a process and its threads: moves their system clock by the milliseconds that a file names. */
import { readFileSync } from 'node:fs';

const { now } = Date;
const file = process.env.CLOCK_FILE;

Date.now = () => now() + Number(readFileSync(file, 'utf8'));
