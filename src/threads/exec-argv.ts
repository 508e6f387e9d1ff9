/**
 * Options about Node's flags, to be spread into a `Worker`'s options. Usually empty, so that the thread inherits the
 * flags of the process. A thread that inherits `--input-type` refuses to start (`ERR_INPUT_TYPE_NOT_ALLOWED`, seen with
 * Node 20), as it runs a file; and `node --input-type=module -e …` is how people try things out. Such a thread gets no
 * flags at all, as many of the inherited ones may not be given to a `Worker`.
 */
export function threadFlags(processArgv: readonly string[] = process.execArgv): {
  execArgv?: string[];
} {
  const namesText = processArgv.some((flag) => /^--input-type(=|$)/.test(flag));
  return namesText ? { execArgv: [] } : {};
}
