/**
 * Node's own flags for a thread of ours, to be spread into a `Worker`'s options: nothing, so that it inherits the
 * process's, but where those name the kind of the program's text. A thread that inherits `--input-type` refuses to start
 * (`ERR_INPUT_TYPE_NOT_ALLOWED`, seen with Node 20), as it is begun with a file, and `node --input-type=module -e …` is
 * how people try things out. It then gets none of the flags: of those that it inherits many may not be named again.
 */
export function threadFlags(processArgv: readonly string[] = process.execArgv): {
  execArgv?: string[];
} {
  const namesText = processArgv.some((flag) => /^--input-type(=|$)/.test(flag));
  return namesText ? { execArgv: [] } : {};
}
