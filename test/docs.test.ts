import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../src/cli/program.js';
import { ERROR_CODES } from '../src/protocol/errors.js';
import { commandsOf } from './docs/samples.js';

/** What the documents say of names that stand in the code, and of each other. */

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGES = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'bench/LOG.md',
  ...markdownIn('docs'),
  ...markdownIn('docs/adr'),
];

function markdownIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
}

function read(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}

/** A heading's anchor, as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .replace(/`|\[([^\]]*)\]\([^)]*\)/g, '$1')
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');
}

function anchorsOf(page: string): Set<string> {
  const text = read(page).replace(/^```.*?^```/gms, '');
  return new Set([...text.matchAll(/^#+\s+(.*)$/gm)].map((match) => anchorOf(match[1]!)));
}

describe('the documents', () => {
  it.each(PAGES)('%s links to what is there', (page) => {
    const text = read(page).replace(/^```.*?^```/gms, '');
    const broken: string[] = [];
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^(https?|mailto):/.test(target!)) continue;
      const [path = '', anchor] = target!.split('#');
      const file = path === '' ? page : join(dirname(page), path);
      const isThere = existsSync(join(ROOT, file));
      const hasAnchor =
        anchor === undefined || (file.endsWith('.md') && anchorsOf(file).has(anchor));
      if (!isThere || !hasAnchor) broken.push(target!);
    }
    expect(broken).toEqual([]);
  });

  it.each(markdownIn('docs/adr'))('%s says its number and its status', (page) => {
    const [title, blank, status] = read(page).split('\n');
    const number = Number(/(\d{4})-/.exec(page)![1]);
    expect(title).toMatch(new RegExp(`^# ${number}\\. \\S`));
    expect(blank).toBe('');
    expect(status).toMatch(
      /^Status: (proposed|accepted|superseded by \[\d{4}\]\(\S+\.md\))(; .+)?$/,
    );
  });

  it('give each decision a number of its own', () => {
    const numbers = markdownIn('docs/adr').map((page) => /(\d{4})-/.exec(page)![1]!);
    expect(numbers.filter((number, at) => numbers.indexOf(number) !== at)).toEqual([]);
  });

  it('explain every error code, and none that is not there', () => {
    const headings = [...read('docs/ERRORS.md').matchAll(/^### (.+)$/gm)].map((match) => match[1]!);
    const explained = headings.flatMap((heading) => heading.match(/\b[A-Z][A-Z_]+[A-Z]\b/g) ?? []);
    expect(explained.sort()).toEqual([...ERROR_CODES].sort());
  });

  it('name every command and every flag', () => {
    const page = read('docs/CLI.md');
    const missing = commandsOf(createProgram()).flatMap((command) => {
      const flags = command.options.flatMap(({ long }) => (long == null ? [] : [long]));
      return [command.name(), ...flags].filter((name) => !page.includes(name));
    });
    expect([...new Set(missing)]).toEqual([]);
  });

  it('name every HTTP route', () => {
    const app = readdirSync(join(ROOT, 'src/gateway/http')).map((file) =>
      readFileSync(join(ROOT, 'src/gateway/http', file), 'utf8'),
    );
    const routes = new Set(app.join('\n').match(/'\/(?:v1\/[a-z/]+|livez|readyz|metrics)'/g));
    const page = read('docs/HTTP.md');
    expect(routes.size).toBeGreaterThan(6);
    expect([...routes].filter((route) => !page.includes(route.slice(1, -1)))).toEqual([]);
  });
});
