import type { Event } from 'millrace/client';
import { plainJson, shellInput, shellWord } from './shell-text.js';

/**
 * Commands and code that publish an event again, as a new one: without its id and time. The token of the server, where
 * it wants one, is taken from `MILLRACE_TOKEN` and never stands in the text. Pure.
 */
export interface CopySource {
  readonly event: Event;
  /** The payload as JSON, as its sender wrote it where that is known. */
  readonly payloadText: string;
  /** The address of the server: `http://127.0.0.1:7400`. */
  readonly url: string;
  readonly needsToken: boolean;
}

/** Characters. Linux takes no longer argument than 128 KiB; a longer text goes through the standard input. */
const ARGUMENT_MAX = 32 * 1024;

export function curlOf({ event, payloadText, url, needsToken }: CopySource): string {
  const fields = JSON.stringify(fieldsOf(event)).slice(0, -1);
  const body = plainJson(`${fields},"payload":${payloadText}}`);
  const words = ['curl', '-sS', shellWord(`${url}/v1/events`)];
  if (needsToken) words.push('-H', '"authorization: Bearer $MILLRACE_TOKEN"');
  words.push('-H', shellWord('content-type: application/json'));
  if (event.sequence === undefined) words.push('-H', shellWord('millrace-persist: false'));
  if (body.length <= ARGUMENT_MAX) return [...words, '--data-binary', shellWord(body)].join(' ');
  return [...words, '--data-binary', '@-', shellInput(body)].join(' ');
}

/** `undefined`: a field of the event has a NUL, which no argument of a command can hold. */
export function commandOf({ event, payloadText, url }: CopySource): string | undefined {
  const { correlationId, causationId, attributes = {} } = event;
  const options = [
    ['type', event.type],
    ['source', event.source],
    ...(correlationId === undefined ? [] : [['correlation-id', correlationId]]),
    ...(causationId === undefined ? [] : [['causation-id', causationId]]),
    ...Object.entries(attributes).map(([key, value]) => ['attribute', `${key}=${value}`]),
  ];
  const hasEquals = Object.keys(attributes).some((key) => key.includes('='));
  if (hasEquals || options.some(([, value]) => value!.includes('\0'))) return undefined;
  const words = ['millrace', 'pub', `--server=${shellWord(url)}`];
  for (const [name, value] of options) words.push(`--${name}=${shellWord(value!)}`);
  if (event.sequence === undefined) words.push('--no-persist');
  words.push('--', shellWord(event.topic));
  const body = plainJson(payloadText);
  if (body.length <= ARGUMENT_MAX) return [...words, shellWord(body)].join(' ');
  return [...words, '-', shellInput(body)].join(' ');
}

export function codeOf({ event, payloadText, url, needsToken }: CopySource): string {
  const token = needsToken ? ", { getToken: () => env.MILLRACE_TOKEN ?? '' }" : '';
  const fields = JSON.stringify(fieldsOf(event), null, 2).slice(0, -2);
  const options = event.sequence === undefined ? ', { persist: false }' : '';
  return [
    ...(needsToken ? ["import { env } from 'node:process';"] : []),
    "import { connect } from 'millrace/client';",
    '',
    `const client = connect(${JSON.stringify(url)}${token});`,
    `await client.publish(${fields},`,
    `  "payload": ${payloadCode(payloadText)}`,
    `}${options});`,
    'await client.drain();',
    'await client.close();',
    '',
  ].join('\n');
}

/** JSON is JavaScript, but for a member `__proto__`, which would set the prototype. */
function payloadCode(payloadText: string): string {
  const text = plainJson(payloadText);
  return text.includes('__proto__') ? `JSON.parse(${JSON.stringify(text)})` : text;
}

function fieldsOf({ topic, type, source, correlationId, causationId, attributes }: Event) {
  return {
    topic,
    type,
    source,
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(causationId === undefined ? {} : { causationId }),
    ...(attributes === undefined ? {} : { attributes }),
  };
}
