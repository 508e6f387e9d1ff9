import { BusError } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';
import type { Route } from './route.js';

/**
 * Finds the routes of all doors by the path as the client sent it, neither decoded nor normalised. Where several routes
 * match a path, the route whose literal segment is further left wins, in whatever order they were declared. Pure.
 */

/** The routes of one path. */
export interface Resource {
  /** The path with the base path in front and parameters by name: `/bus/v1/events/:id`. */
  readonly path: string;
  readonly byMethod: ReadonlyMap<string, Route>;
  /** The methods of the path, as the value of an `Allow` header. */
  readonly allow: string;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

interface Node {
  readonly literals: Map<string, Node>;
  parameter: Node | undefined;
  resource: (Writable<Resource> & { readonly byMethod: Map<string, Route> }) | undefined;
}

export class RouteTable {
  readonly #basePath: string;
  readonly #root = newNode();

  /** `basePath`: the prefix of every path, or `''`. Throws where two routes have the same method and path. */
  constructor(routes: readonly Route[], basePath: string) {
    this.#basePath = basePath;
    for (const route of routes) this.#add(route);
  }

  find(path: string): Resource | undefined {
    const base = this.#basePath;
    if (!path.startsWith(base)) return undefined;
    // `/bus` and `/bus/` are the same page.
    const rest = path.length === base.length ? '/' : path.slice(base.length);
    if (!rest.startsWith('/')) return undefined;
    return find(this.#root, segmentsOf(rest), 0);
  }

  /**
   * The parameters of a path that matches the route, decoded.
   *
   * @throws BusError `QUERY_INVALID` for a parameter that is not percent-encoded UTF-8
   */
  parametersOf(route: Route, path: string): Readonly<Record<string, string>> {
    const parameters = Object.create(null) as Record<string, string>;
    const given = segmentsOf(path.slice(this.#basePath.length));
    for (const [index, segment] of segmentsOf(route.path).entries()) {
      if (!isParameter(segment)) continue;
      const name = segment.slice(1);
      parameters[name] = decoded(name, given[index]!);
    }
    return parameters;
  }

  #add(route: Route): void {
    let node = this.#root;
    for (const segment of segmentsOf(route.path)) node = childOf(node, segment);
    node.resource ??= { path: this.#basePath + route.path, byMethod: new Map(), allow: '' };
    const { byMethod } = node.resource;
    if (byMethod.has(route.method)) {
      throw new Error(`two doors answer ${route.method} ${route.path}`);
    }
    byMethod.set(route.method, route);
    // HEAD is answered like GET, without a body.
    if (route.method === 'GET') byMethod.set('HEAD', route);
    node.resource.allow = [...byMethod.keys(), 'OPTIONS'].join(', ');
  }
}

function newNode(): Node {
  return { literals: new Map(), parameter: undefined, resource: undefined };
}

function childOf(node: Node, segment: string): Node {
  if (isParameter(segment)) return (node.parameter ??= newNode());
  const known = node.literals.get(segment);
  if (known !== undefined) return known;
  const child = newNode();
  node.literals.set(segment, child);
  return child;
}

function find(node: Node, segments: readonly string[], at: number): Resource | undefined {
  if (at === segments.length) return node.resource;
  const segment = segments[at]!;
  const literal = node.literals.get(segment);
  const found = literal === undefined ? undefined : find(literal, segments, at + 1);
  if (found !== undefined || segment === '' || node.parameter === undefined) return found;
  return find(node.parameter, segments, at + 1);
}

/** The segments of a path, which begins with `/`. The path `/` has one segment, which is empty. */
function segmentsOf(path: string): readonly string[] {
  return path.slice(1).split('/');
}

function isParameter(segment: string): boolean {
  return segment.startsWith(':');
}

function decoded(name: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    const message = `the ${name} ${quote(text)} is not percent-encoded UTF-8`;
    throw new BusError('QUERY_INVALID', message, { details: { path: name }, cause });
  }
}
