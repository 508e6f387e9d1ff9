import type { ReadStream } from 'node:tty';

/**
 * A live view on a terminal, on the alternate screen, redrawn in place without flicker; `close` restores the terminal.
 * Lines are cut to the width, and lines that do not fit below are left out.
 */

const ESC = '\u001b[';
const ENTER = `${ESC}?1049h${ESC}?25l`;
const LEAVE = `${ESC}?25h${ESC}?1049l`;
const HOME = `${ESC}H`;
const CLEAR_TO_LINE_END = `${ESC}K`;
const CLEAR_BELOW = `${ESC}J`;
/** Synchronised output: terminals that know it show a frame all at once, others ignore it. */
const BEGIN_FRAME = `${ESC}?2026h`;
const END_FRAME = `${ESC}?2026l`;

export class Screen {
  /** Resolves when `q` or Ctrl-C was typed. */
  readonly quit: Promise<void>;
  #quit: () => void = () => {};
  #lines: readonly string[] = [];
  readonly #input: ReadStream | undefined;

  constructor() {
    this.quit = new Promise((resolve) => {
      this.#quit = resolve;
    });
    // Raw keys come only from a terminal; `top < file` has none and ends by signal.
    this.#input = process.stdin.isTTY ? process.stdin : undefined;
    this.#input?.setRawMode(true);
    this.#input?.on('data', this.#onKey);
    process.stdout.on('resize', this.#onResize);
    process.stdout.write(ENTER);
  }

  draw(lines: readonly string[]): void {
    this.#lines = lines;
    const { columns, rows } = process.stdout;
    const shown = lines.slice(0, rows - 1).map((line) => cut(line, columns) + CLEAR_TO_LINE_END);
    process.stdout.write(BEGIN_FRAME + HOME + shown.join('\r\n') + CLEAR_BELOW + END_FRAME);
  }

  close(): void {
    process.stdout.off('resize', this.#onResize);
    this.#input?.off('data', this.#onKey);
    this.#input?.setRawMode(false);
    this.#input?.pause();
    process.stdout.write(LEAVE);
  }

  readonly #onResize = (): void => this.draw(this.#lines);

  readonly #onKey = (keys: Buffer): void => {
    const text = keys.toString();
    if (text === 'q' || text === 'Q' || text.includes('\u0003')) this.#quit();
  };
}

/** Cuts a line to a width in characters; colour sequences have no width. */
function cut(line: string, columns: number): string {
  let width = 0;
  let result = '';
  for (const part of line.split(COLOUR)) {
    if (part.startsWith('\u001b')) result += part;
    else {
      const text = [...part].slice(0, columns - width);
      width += text.length;
      result += text.join('');
    }
  }
  return result;
}

const COLOUR = new RegExp(`(${ESC.replace('[', '\\[')}[\\d;]*m)`);
