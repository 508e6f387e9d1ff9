import { createHash } from 'node:crypto';
import { SERVER_NAME } from '../version.js';

/** The page at `/`: which doors this server has, and where. It loads nothing, and runs nothing. */
const DOORS = [
  ['GET', '/events', 'WebSocket, subprotocol <code>millrace.v1</code>'],
  ['POST', '/v1/events', 'publish: JSON, NDJSON, CloudEvents'],
  ['GET', '/v1/events?topic=*', 'query: JSON, NDJSON, CloudEvents'],
  ['GET', '/v1/events/{id}', 'one event: JSON, CloudEvents'],
  ['GET', '/v1/events/stream?topic=*', 'Server-Sent Events, as they happen'],
  ['GET', '/v1/topics', 'topics, and how many events each has'],
  ['GET', '/v1/subscribers?topic=…', 'who would receive an event on a topic'],
  ['GET', '/v1/stats', 'figures of the bus and its shards'],
  ['GET', '/livez', 'it lives'],
  ['GET', '/readyz?verbose', 'it can serve, point by point'],
  ['GET', '/metrics', 'Prometheus text'],
] as const;

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

const LINKED = new Set(['/v1/topics', '/v1/stats', '/livez', '/readyz?verbose', '/metrics']);

/** `basePath`: what stands before every path of the gateway; `''` where nothing does. */
export function startPage(basePath: string): string {
  const rows = DOORS.map(([method, door, what]) => {
    const path = `${basePath}${door}`;
    const isLink = LINKED.has(door) || door.endsWith('topic=*');
    const target = isLink ? `<a href="${path}">${path}</a>` : `<code>${path}</code>`;
    return `<li><b>${method}</b>${target}<span>${what}</span></li>`;
  });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Millrace</title>
<style>${STYLE}</style>
<main>
<h1>Millrace<small>${SERVER_NAME}</small></h1>
<p>A durable, ordered, replayable event bus. These are its doors.</p>
<ul>
${rows.join('\n')}
</ul>
</main>
</html>
`;
}

const styleHash = createHash('sha256').update(STYLE).digest('base64');

/** Nothing but this one style may be applied. */
export const START_PAGE_POLICY = `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
