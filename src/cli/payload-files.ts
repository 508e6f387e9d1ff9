import type { BusStats } from '../protocol/bus-api.js';
import { formatBytes, formatNumber } from './table.js';

/** The number of payloads in files of their own, and their bytes; `undefined` if there are none. */
export function payloadFilesText({ shards }: BusStats): string | undefined {
  const files = shards.reduce((sum, { payloadFiles }) => sum + payloadFiles, 0);
  if (files === 0) return undefined;
  const bytes = shards.reduce((sum, { payloadFileBytes }) => sum + payloadFileBytes, 0);
  return `${formatNumber(files)}  ${formatBytes(bytes)}`;
}
