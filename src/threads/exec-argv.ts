/**
 * Node's own flags for a thread of ours: the process's, which a thread inherits, but for those about the kind of the
 * program's text. A thread that gets `--input-type` refuses to start (`ERR_INPUT_TYPE_NOT_ALLOWED`, seen with Node 20),
 * as it is begun with a file, and `node --input-type=module -e …` is how people try things out.
 */
export function threadExecArgv(processArgv: readonly string[] = process.execArgv): string[] {
  const kept: string[] = [];
  for (let at = 0; at < processArgv.length; at++) {
    const flag = processArgv[at]!;
    if (flag === '--input-type') at++;
    else if (!flag.startsWith('--input-type=')) kept.push(flag);
  }
  return kept;
}
