import type { Command } from 'commander';
export function addReshardCommand(_program: Command): void {}
