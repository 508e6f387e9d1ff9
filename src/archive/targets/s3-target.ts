import { createHash } from 'node:crypto';
import { setTimeout as afterMs } from 'node:timers/promises';
import { BusError } from '../../protocol/errors.js';
import {
  ARCHIVE_EMPTY_PARTS_MAX,
  ARCHIVE_ERROR_LENGTH_MAX,
  ARCHIVE_LIST_BYTES_MAX,
  ARCHIVE_NOTE_BYTES_MAX,
  ARCHIVE_OBJECTS_MAX,
  ARCHIVE_REQUEST_MS,
} from '../../protocol/limits/archive.js';
import { oneLine } from '../../protocol/quote.js';
import { messageOf } from '../../protocol/thrown.js';
import { AnswerTooLong, answerOf, type S3Answer, type Wanted } from './s3-answer.js';
import { type ListPart, listPartOf, textOf } from './s3-list.js';
import type { ArchiveTarget, S3Credentials, S3Place, TargetObject } from './target.js';

/** Attempts of a request that fails or that the server is too busy for, beside the archiver's own. */
const RETRIES = 3;
/** The first wait before a request is sent again whose connection failed. */
const RETRY_MS = 50;

/** An optional peer: most programs do not have it. So its part that is used here is declared here. */
const CLIENT: string = 'aws4fetch';

interface ClientModule {
  readonly AwsClient: new (options: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
    readonly service: string;
    readonly region: string;
    readonly retries: number;
  }) => { fetch(url: string, init?: RequestInit): Promise<Response> };
}

type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

/** The place of the error in the settings, by what S3 servers call it. */
const SETTING_OF: Readonly<Record<string, string>> = {
  NoSuchBucket: 'archive.s3.bucket',
  InvalidBucketName: 'archive.s3.bucket',
  AccessDenied: 'archive.s3.credentials',
  InvalidAccessKeyId: 'archive.s3.credentials',
  SignatureDoesNotMatch: 'archive.s3.credentials',
  ExpiredToken: 'archive.s3.credentials',
  InvalidToken: 'archive.s3.credentials',
  AuthorizationHeaderMalformed: 'archive.s3.region',
  PermanentRedirect: 'archive.s3.region',
  IllegalLocationConstraintException: 'archive.s3.region',
  RequestTimeTooSkewed: 'archive.s3',
};

/** Refusals that nothing in the settings causes: the same request may succeed later. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 409, 425, 429]);
const PASSING_CODES: ReadonlySet<string> = new Set(['RequestTimeTooSkewed', 'RequestTimeout']);

/**
 * An archive in a bucket of S3, or of a server that speaks its protocol. An upload names its SHA-256, so that the server
 * refuses a part of one; S3 shows an object as soon as the upload is acknowledged, and never before.
 */
export class S3Target implements ArchiveTarget {
  readonly setting = 'archive.s3';
  readonly #fetch: Fetch;
  readonly #bucket: string;
  readonly #prefix: string;

  private constructor(fetch: Fetch, bucket: string, prefix: string) {
    this.#fetch = fetch;
    this.#bucket = bucket;
    this.#prefix = prefix;
  }

  /** @throws BusError `OPTION_INVALID` if there are no credentials, or the package is not installed */
  static async open(place: S3Place): Promise<S3Target> {
    const { region, bucket, prefix, endpoint = `https://s3.${region}.amazonaws.com` } = place;
    const { AwsClient } = await importClient();
    const { sessionToken, ...keys } = place.credentials ?? credentialsOfEnvironment();
    const client = new AwsClient({
      ...keys,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      service: 's3',
      region,
      retries: RETRIES,
    });
    const url = `${endpoint.replace(/\/+$/, '')}/${encodeURIComponent(bucket)}`;
    return new S3Target((path, init) => client.fetch(path, init), url, prefix);
  }

  locate(name: string): string {
    return `${this.#bucket}/${this.#prefix}${name}`;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const headers = { 'x-amz-content-sha256': sha256 };
    const body = new Uint8Array(bytes);
    await this.#request(this.locate(name), { method: 'PUT', headers, body });
  }

  async get(name: string, bytesMax = ARCHIVE_NOTE_BYTES_MAX): Promise<Buffer | undefined> {
    return (await this.#request(this.locate(name), {}, { mayLack: true, bytesMax }))?.bytes;
  }

  async range(name: string, offset: number, length: number): Promise<Buffer | undefined> {
    const headers = { range: `bytes=${offset}-${offset + length - 1}` };
    const part = { offset, length };
    return (await this.#request(this.locate(name), { headers }, { mayLack: true, part }))?.bytes;
  }

  async list(prefix: string): Promise<readonly TargetObject[]> {
    const found: TargetObject[] = [];
    let token: string | undefined;
    let empty = 0;
    do {
      const query = new URLSearchParams({ 'list-type': '2', prefix: this.#prefix + prefix });
      if (token !== undefined) query.set('continuation-token', token);
      const url = `${this.#bucket}?${query}`;
      const answer = await this.#request(url, {}, { bytesMax: ARCHIVE_LIST_BYTES_MAX });
      const part = this.#partOf(answer!.bytes.toString(), url, token);
      for (const object of part.objects) found.push(object);
      empty = part.objects.length === 0 ? empty + 1 : 0;
      token = part.next;
      if (found.length > ARCHIVE_OBJECTS_MAX || empty >= ARCHIVE_EMPTY_PARTS_MAX) {
        throw this.#failed(url, 'the list does not end');
      }
    } while (token !== undefined);
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async remove(name: string): Promise<void> {
    await this.#request(this.locate(name), { method: 'DELETE' }, { mayLack: true });
  }

  /** An upload that was cut off leaves nothing behind. */
  async clean(): Promise<void> {}

  #partOf(xml: string, url: string, token: string | undefined): ListPart {
    try {
      const part = listPartOf(xml, this.#prefix.length);
      if (part.next !== undefined && part.next === token) throw new Error('the list does not end');
      return part;
    } catch (cause) {
      throw this.#failed(url, messageOf(cause), cause);
    }
  }

  #failed(url: string, reason: string, cause?: unknown): BusError {
    const { setting } = this;
    const message = `${setting}: ${url}: ${reason}`;
    return new BusError('ARCHIVE_FAILED', message, { details: { setting, url }, cause });
  }

  /** Sends a request again whose connection failed: each may be carried out twice. */
  async #answer(url: string, init: RequestInit, wanted: Wanted): Promise<S3Answer> {
    const signal = AbortSignal.timeout(ARCHIVE_REQUEST_MS);
    for (let attempt = 0; ; attempt++) {
      try {
        return await answerOf(
          await this.#fetch(url, { ...init, redirect: 'manual', signal }),
          wanted,
        );
      } catch (error) {
        const isFinal = error instanceof AnswerTooLong || signal.aborted;
        if (attempt >= RETRIES || isFinal) throw error;
        await afterMs(RETRY_MS * 2 ** attempt);
      }
    }
  }

  /** `undefined` for an object that is not there, if it `mayLack`. */
  async #request(
    url: string,
    init: RequestInit,
    { mayLack = false, ...wanted }: Wanted & { readonly mayLack?: boolean } = {},
  ): Promise<S3Answer | undefined> {
    const { status, bytes } = await this.#answer(url, init, wanted).catch((cause: unknown) => {
      if (cause instanceof AnswerTooLong) throw this.#failed(url, cause.message, cause);
      const setting = 'archive.s3.endpoint';
      const reason = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause;
      const message = `${setting}: ${url} could not be reached: ${messageOf(reason)}`;
      throw new BusError('ARCHIVE_FAILED', message, { details: { setting, url }, cause });
    });
    if (status >= 200 && status < 300) return { status, bytes };
    if (status === 416) return { status: 206, bytes: Buffer.alloc(0) };
    const code = told(bytes, 'Code');
    if (mayLack && status === 404 && code !== 'NoSuchBucket') return undefined;
    throw refused(url, status, code, told(bytes, 'Message'));
  }
}

function refused(url: string, status: number, code: string, text: string): BusError {
  const byStatus = status === 403 ? 'archive.s3.credentials' : 'archive.s3';
  const setting = SETTING_OF[code] ?? (status === 301 ? 'archive.s3.region' : byStatus);
  const isPassing = PASSING_STATUSES.has(status) || PASSING_CODES.has(code);
  const message = `${setting}: ${url} answered ${status} ${code} ${text}`.trimEnd();
  return new BusError('ARCHIVE_FAILED', message, {
    details: { setting, url, status, code, isPassing },
  });
}

/** The text of an element of an error, as far as it can be shown. */
function told(bytes: Buffer, element: string): string {
  return oneLine(textOf(bytes.toString(), element), ARCHIVE_ERROR_LENGTH_MAX);
}

function credentialsOfEnvironment(): S3Credentials {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env;
  if (AWS_ACCESS_KEY_ID === undefined || AWS_SECRET_ACCESS_KEY === undefined) {
    const setting = 'archive.s3.credentials';
    const message = `${setting}: there are none, nor AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`;
    throw new BusError('OPTION_INVALID', message, { details: { setting } });
  }
  return {
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    ...(AWS_SESSION_TOKEN === undefined ? {} : { sessionToken: AWS_SESSION_TOKEN }),
  };
}

async function importClient(): Promise<ClientModule> {
  try {
    return (await import(CLIENT)) as ClientModule;
  } catch (cause) {
    const setting = 'archive.s3';
    const message = `${setting} needs the package aws4fetch: npm install aws4fetch`;
    throw new BusError('OPTION_INVALID', message, { details: { setting }, cause });
  }
}
