import type { GatewayLog } from '../main/gateway-messages.js';

/** The gateway writes no log itself: it hands its log entries to the thread that started it. */
export type GatewayLogger = (
  level: GatewayLog['level'],
  message: string,
  fields: GatewayLog['fields'],
) => void;

/** An API key, and a JWT with its signature; wherever they stand. */
const API_KEYS = /(mr_[0-9a-z]{16}_)[\w-]{20,}/g;
const JWTS = /eyJ[\w-]{5,}\.[\w-]+\.[\w-]{20,}/g;

/**
 * Takes tokens out of all that is logged. A client may have put one where no token belongs, such as a host or the type of
 * a frame, and a refusal names what it refuses.
 */
export function withoutTokens(log: GatewayLogger): GatewayLogger {
  return (level, message, fields) => {
    const shown = Object.entries(fields).map(([name, value]) => [name, hidden(value)]);
    log(level, hiddenText(message), Object.fromEntries(shown));
  };
}

function hidden(value: unknown): unknown {
  if (typeof value === 'string') return hiddenText(value);
  if (typeof value !== 'object' || value === null) return value;
  const json = JSON.stringify(value);
  const text = hiddenText(json);
  return text === json ? value : JSON.parse(text);
}

function hiddenText(text: string): string {
  if (!text.includes('mr_') && !text.includes('eyJ')) return text;
  return text.replaceAll(API_KEYS, '$1…').replaceAll(JWTS, 'eyJ…');
}
