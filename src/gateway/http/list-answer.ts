import { HTTP_ANSWER_HELD_BYTES_MAX } from '../../protocol/limits/http.js';
import { errorData } from '../error-data.js';
import { eachInTurns, type Pages } from '../pages.js';
import { assertStillHolds } from '../permissions.js';
import { type Exchange, NDJSON_TYPE, sendText } from './exchange.js';
import type { HttpContext } from './http-context.js';
import { HttpOutbound } from './http-outbound.js';

/**
 * Answers with a list of any length, from elements that are JSON already: as one array, or one line each. A short list
 * is sent at once, with its length. A long one is streamed no faster than the client reads it; headers that are known
 * only at its end become trailers, except in HTTP/1.0, which has none. A list that fails half-way is broken off, so
 * that every client sees that it is incomplete. HEAD gets the status and headers of GET; the list is read no further
 * than they need.
 */
export interface ListOptions {
  readonly type: string;
  /**
   * Returns the headers that are final after the last element. A long list announces their names before that, so they
   * must be known from the start.
   */
  readonly trailing?: () => Readonly<Record<string, string>>;
}

export interface ListElements<T> {
  readonly pages: Pages<T>;
  /** An element's JSON. */
  textOf(item: T): string;
}

export async function sendList<T>(
  exchange: Exchange,
  { turns, settings, log }: Pick<HttpContext, 'turns' | 'settings' | 'log'>,
  { pages, textOf }: ListElements<T>,
  { type, trailing = () => ({}) }: ListOptions,
): Promise<void> {
  const { request, response } = exchange;
  const isHead = request.method === 'HEAD';
  const canTrail = !isHead && request.httpVersion !== '1.0';
  const isLines = type === NDJSON_TYPE;
  const outbound = new HttpOutbound(response, exchange.budget, { turns, settings }, () => {
    log('warn', 'request cut: its answer is not read', { code: 'SLOW_CONSUMER' });
  });
  let held: string[] = [];
  let heldBytes = 0;
  let isHeld = true;
  const release = (): void => {
    isHeld = false;
    const announced = canTrail ? trailerHeader(trailing()) : {};
    response.writeHead(200, { 'content-type': type, ...announced });
    for (const text of held) outbound.write(text);
    held = [];
  };
  let count = 0;
  try {
    const isWhole = await eachInTurns(exchange.budget.work, pages, (item) => {
      // A client may read a long list for as long as it likes.
      assertStillHolds(exchange.principal);
      const element = textOf(item);
      const text = isLines ? `${element}\n` : `${count === 0 ? '[' : ','}${element}`;
      count++;
      if (isHeld) {
        held.push(text);
        heldBytes += Buffer.byteLength(text);
        if (heldBytes <= HTTP_ANSWER_HELD_BYTES_MAX) return undefined;
        release();
        if (isHead) outbound.end();
      } else outbound.write(text);
      if (!outbound.isOpen) return Promise.resolve(false);
      return outbound.isCongested ? outbound.relieved().then(() => outbound.isOpen) : undefined;
    });
    if (!isWhole) return;
  } catch (error) {
    if (!isHeld) log('error', 'an answer was broken off', { error: errorData(error) });
    throw error;
  }
  const tail = isLines ? '' : count === 0 ? '[]' : ']';
  if (isHeld) {
    sendText(response, 200, type, `${held.join('')}${tail}`, trailing());
    return;
  }
  outbound.write(tail);
  outbound.end(canTrail ? trailing() : undefined);
}

function trailerHeader(trailing: Readonly<Record<string, string>>): Record<string, string> {
  const names = Object.keys(trailing);
  return names.length === 0 ? {} : { trailer: names.join(', ') };
}
