/**
 * The origins whose pages may connect. A browser sends the origin of the page as text: `https://app.example`,
 * `capacitor://localhost` for an app in a shell, `null` for a file or a sandboxed frame. Origins are compared as text,
 * so only origins that are listed are allowed; `*.` in a listed origin stands for one label or more.
 */
export class AllowedOrigins {
  readonly #exact = new Set<string>();
  readonly #patterns: { readonly start: string; readonly end: string }[] = [];

  /** `origins`: each is one for which `isOrigin` is true. */
  constructor(origins: Iterable<string>) {
    for (const origin of origins) {
      const [scheme = '', host] = origin.split('://*');
      if (host === undefined) this.#exact.add(origin);
      else this.#patterns.push({ start: `${scheme}://`, end: host });
    }
  }

  has(origin: string): boolean {
    return this.#exact.has(origin) || this.#patterns.some((pattern) => matches(origin, pattern));
  }
}

/** `*` matches labels only: `https://evil.example/.example.com` must not match `https://*.example.com`. */
function matches(origin: string, { start, end }: { start: string; end: string }): boolean {
  if (!origin.startsWith(start) || !origin.endsWith(end)) return false;
  const labels = origin.slice(start.length, origin.length - end.length);
  return origin.length > start.length + end.length && LABELS.test(labels);
}

const LABELS = /^[a-z\d-]+(?:\.[a-z\d-]+)*$/i;
/** `*.` in front of a name of two labels or more: `*.com` would allow everybody's pages. */
const WILDCARD = /^https?:\/\/\*(?:\.[a-z\d-]+){2,}(?::\d{1,5})?$/;
/** The origins of app shells and extensions, for whose schemes `URL` returns no origin. */
const APP_ORIGIN =
  /^(?!https?:|file:|data:|blob:|javascript:)[a-z][a-z\d+.-]*:\/\/[\w.-]+(?::\d{1,5})?$/;

/**
 * Whether the option `allowedOrigins` takes it: an origin as a browser sends it, one with `*.` before its host, or
 * `null`.
 */
export function isOrigin(origin: unknown): origin is string {
  if (typeof origin !== 'string') return false;
  if (origin === 'null' || WILDCARD.test(origin) || APP_ORIGIN.test(origin)) return true;
  return !origin.includes('*') && URL.canParse(origin) && new URL(origin).origin === origin;
}
