/**
 * Which pages may connect. A browser sends the origin of the page as text: `https://app.example`, for an app in a shell
 * `capacitor://localhost`, `null` for a file or a sandboxed frame. It is compared as text, so nothing is allowed that
 * was not written, but for the labels that `*.` stands for.
 */
export class AllowedOrigins {
  readonly #exact = new Set<string>();
  readonly #patterns: { readonly start: string; readonly end: string }[] = [];

  /** Of origins for which `isOrigin` is true. */
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

/** One label or more, and nothing but labels: `https://evil.example/.example.com` is no origin of a page. */
function matches(origin: string, { start, end }: { start: string; end: string }): boolean {
  if (!origin.startsWith(start) || !origin.endsWith(end)) return false;
  const labels = origin.slice(start.length, origin.length - end.length);
  return origin.length > start.length + end.length && LABELS.test(labels);
}

const LABELS = /^[a-z\d-]+(?:\.[a-z\d-]+)*$/i;
/** `*.` in front of a name of two labels or more: nobody owns all of `com`. */
const WILDCARD = /^https?:\/\/\*(?:\.[a-z\d-]+){2,}(?::\d{1,5})?$/;
/** Of shells and extensions, whose schemes `URL` gives no origin for. */
const OF_AN_APP =
  /^(?!https?:|file:|data:|blob:|javascript:)[a-z][a-z\d+.-]*:\/\/[\w.-]+(?::\d{1,5})?$/;

/** Whether it can be allowed: an origin as a browser sends it, one with `*.` before its host, or `null`. */
export function isOrigin(origin: unknown): origin is string {
  if (typeof origin !== 'string') return false;
  if (origin === 'null' || WILDCARD.test(origin) || OF_AN_APP.test(origin)) return true;
  return !origin.includes('*') && URL.canParse(origin) && new URL(origin).origin === origin;
}
