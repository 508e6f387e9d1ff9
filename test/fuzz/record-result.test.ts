import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FAULTS, faultsOfResult, readResults, recordResult } from '../../fuzz/record-result.js';

const counted = {
  campaign: 'power',
  fault: 'power lost',
  seeds: [7, 100] as [number, number],
  injections: 100,
  acked: 2_000,
  lost: 0,
  repeated: 0,
  misordered: 0,
  undetected: 0,
  problems: 0,
  recoveryMs: { p50: 12, p99: 40.5 },
  seconds: 9.5,
};

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-results-'));
  file = join(folder, 'results.jsonl');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the results of campaigns', () => {
  it('are appended, a line for each run, with the build and the machine', () => {
    recordResult(file, counted);
    recordResult(file, { ...counted, problems: 1, lost: 1, recoveryMs: null });
    const results = readResults(file);
    expect(results).toHaveLength(2);
    expect(results[0]).toMatchObject(counted);
    expect(results[0]!.node).toBe(process.versions.node);
    expect(results[0]!.sqlite).toMatch(/^3\.\d+\.\d+$/);
    expect(results[1]).toMatchObject({ lost: 1, problems: 1, recoveryMs: null });
    expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(3);
  });

  it('of a file that is not there are none', () => {
    expect(readResults(file)).toEqual([]);
  });

  it.each([
    ['campaign', ''],
    ['fault', 'misfortune'],
    ['seeds', [1]],
    ['seeds', [1, 0]],
    ['injections', -1],
    ['acked', 1.5],
    ['lost', '0'],
    ['lost', 1],
    ['recoveryMs', undefined],
    ['recoveryMs', { p50: 2, p99: 1 }],
    ['kinds', { kill: 99 }],
    ['kinds', { kill: 50, '': 50 }],
    ['kinds', { kill: 100.5 }],
    ['kinds', 100],
    ['seconds', Number.NaN],
    ['within', { misfortune: 1 }],
    ['within', { clocks: 1.5 }],
    ['within', { clocks: 1e9, network: 1 }],
    ['date', 'today'],
    ['sessions', 3],
  ])('are not recorded with %s: %j', (name, value) => {
    const result = { ...counted, [name]: value } as typeof counted;
    expect(() => recordResult(file, result)).toThrow(name === 'lost' ? /lost/ : name);
    expect(readResults(file)).toEqual([]);
  });

  it.each([
    ['keeps promises', { acked: 1 }],
    ['bugs that were built in', { problems: 101 }],
    ['nothing found', { undetected: 2, problems: 1 }],
  ])('of builds that are broken on purpose count bugs alone: %s', (words, counts) => {
    const result = { ...counted, fault: 'planted', acked: 0, ...counts };
    expect(() => recordResult(file, result)).toThrow(words);
  });

  it('name each line that is none', () => {
    recordResult(file, counted);
    writeFileSync(file, `${readFileSync(file, 'utf8')}{"campaign":\n[]\n`);
    expect(() => readResults(file)).toThrow(/line 2: .*\n.*line 3: /s);
  });

  it('know every kind of fault', () => {
    const whole = recordResult(file, counted);
    const none = { ...whole, acked: 0 };
    expect(FAULTS.flatMap((fault) => faultsOfResult({ ...none, fault }))).toEqual([]);
  });
});
