import type { BaseIssue } from 'valibot';

/**
 * Says in plain words what is wrong with a value. A schema's own messages stay as they are; Valibot's, which name its
 * types ("Expected never but received …"), are replaced. The message does not show the value, which may be a secret.
 * Any thread.
 */
export function schemaFault(issue: BaseIssue<unknown>): string {
  const { message, type, expected, received, input, requirement } = issue;
  if (!message.startsWith('Invalid ')) return message;
  if (received === 'undefined' && input === undefined) return 'is missing';
  switch (type) {
    case 'min_value':
      return `has to be at least ${requirement}`;
    case 'max_value':
      return `has to be at most ${requirement}`;
    case 'non_empty':
      return sizeFault(input, 'at least', 1);
    case 'min_length':
      return sizeFault(input, 'at least', requirement);
    case 'max_length':
      return sizeFault(input, 'at most', requirement);
    case 'picklist':
      return `has to be one of ${String(expected).slice(1, -1).replaceAll(' | ', ', ')}`;
    default:
      return `has to be ${KINDS[type] ?? expected}`;
  }
}

const KINDS: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  integer: 'a whole number',
  number: 'a number',
  string: 'text',
};

function sizeFault(input: unknown, bound: string, size: unknown): string {
  if (Array.isArray(input)) return `has to be a list of ${bound} ${size}`;
  return `has to be text of ${bound} ${size} ${size === 1 ? 'character' : 'characters'}`;
}
