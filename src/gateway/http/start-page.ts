import { createHash } from 'node:crypto';
import type { Door } from '../door.js';
import { SERVER_NAME } from '../version.js';
import { type Exchange, sendText } from './exchange.js';
import type { Listing, Route } from './route.js';

/** The page that lists the routes of this server. It loads no resources and runs no script. */
export function openStartPage(
  routes: readonly Route[],
  basePath: string,
  paths: readonly string[],
): Door {
  const page = startPage(routes, basePath);
  const handle = async ({ response }: Exchange): Promise<void> => {
    response.setHeader('content-security-policy', POLICY);
    sendText(response, 200, 'text/html; charset=utf-8', page);
  };
  return { routes: paths.map((path) => ({ method: 'GET', path, handle, isPublic: true })) };
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1d2733; --soft: #5b6b7c; --line: #d9e1e8; --paper: #f7f9fb; --card: #fff; --accent: #0f766e }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #93a4b5; --line: #2b3744; --paper: #10161d; --card: #17202a; --accent: #5eead4 }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 46rem; margin: 0 auto; padding: 4rem 1.25rem }
h1 { margin: 0; font-size: 2rem; letter-spacing: -.02em }
h1 small { margin-left: .5rem; color: var(--soft); font-size: .9rem; font-weight: 400; letter-spacing: 0 }
p { margin: .5rem 0 2rem; color: var(--soft) }
ul { list-style: none; margin: 0; padding: 0; border: 1px solid var(--line); border-radius: .75rem; background: var(--card); overflow: hidden }
li { display: grid; grid-template-columns: 3.5rem minmax(14rem, 1fr) 1fr; gap: .25rem 1rem; padding: .7rem 1.1rem; align-items: baseline }
li + li { border-top: 1px solid var(--line) }
li b { color: var(--accent); font: 600 .75rem ui-monospace, monospace }
code, a { font-family: ui-monospace, monospace; font-size: .9rem }
a { color: inherit; text-decoration-color: var(--accent); text-underline-offset: .2em }
span { color: var(--soft); font-size: .9rem }
@media (max-width: 40rem) { li { grid-template-columns: 3.5rem 1fr } span { grid-column: 2 } }
`;

function startPage(routes: readonly Route[], basePath: string): string {
  const rows = routes.flatMap((route) =>
    route.listing === undefined ? [] : [rowOf(route, route.listing, basePath)],
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Millrace</title>
<style>${STYLE}</style>
<main>
<h1>Millrace<small>${SERVER_NAME}</small></h1>
<p>A durable, ordered, replayable event bus. It answers at these addresses:</p>
<ul>
${rows.join('\n')}
</ul>
</main>
</html>
`;
}

function rowOf(
  { method, path }: Route,
  { about, query, isLink }: Listing,
  basePath: string,
): string {
  const shown =
    basePath + path.replaceAll(/:(\w+)/g, '{$1}') + (query === undefined ? '' : `?${query}`);
  const target = isLink ? `<a href="${shown}">${shown}</a>` : `<code>${shown}</code>`;
  return `<li><b>${method}</b>${target}<span>${about}</span></li>`;
}

const styleHash = createHash('sha256').update(STYLE).digest('base64');

/** Allows the page's own style, and nothing else. */
const POLICY = `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
