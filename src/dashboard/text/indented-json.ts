/**
 * JSON with line breaks and indentation, every value as it is written: made again from what JavaScript holds, 2^53 + 1
 * would become another number. Pure.
 *
 * @param json a text that `JSON.parse` takes
 */
export function indentedJson(json: string): string {
  let text = '';
  let depth = 0;
  let last = '';
  const line = (): string => `\n${'  '.repeat(depth)}`;
  for (const [token] of json.matchAll(TOKENS)) {
    const isEnd = token === '}' || token === ']';
    if (isEnd) depth--;
    const isFirst = last === '{' || last === '[';
    if (isEnd ? !isFirst : isFirst || last === ',') text += line();
    text += token === ':' ? ': ' : token;
    if (token === '{' || token === '[') depth++;
    last = token;
  }
  return text;
}

const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/gs;
