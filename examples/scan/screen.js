import cliProgress from 'cli-progress';

/**
 * Shows the live totals, as a bar on a terminal, and otherwise as a plain line now and then. Reads the totals on its
 * own timer, so the subscriber that fills them never waits for the terminal.
 */

const BAR_INTERVAL_MS = 100;
const LINE_INTERVAL_MS = 1000;
const FORMAT =
  '  {bar} {percentage}%  {value}/{total} files  {events} events  {findings} findings  {workers}';

/**
 * @param {import('./totals.js').Totals} totals
 * @param {number} files
 * @param {NodeJS.WriteStream} stream
 * @returns {{ stop(): void }}
 */
export function showProgress(totals, files, stream) {
  const now = () => ({
    files: Math.min(totals.files, files),
    events: totals.events,
    findings: totals.count('finding_new'),
    workers: describeWorkers(totals),
  });
  return stream.isTTY ? showBar(now, files, stream) : showLines(now, files, stream);
}

/** @typedef {() => { files: number, events: number, findings: number, workers: string }} Now */

/**
 * @param {Now} now
 * @param {number} files
 * @param {NodeJS.WriteStream} stream
 */
function showBar(now, files, stream) {
  const bar = new cliProgress.SingleBar(
    // With gracefulExit, Ctrl-C would end the process before the bus is closed.
    { format: FORMAT, stream, hideCursor: true, clearOnComplete: false, gracefulExit: false },
    cliProgress.Presets.shades_classic,
  );
  const update = () => {
    const { files: done, ...rest } = now();
    bar.update(done, rest);
  };
  bar.start(files, 0, now());
  const timer = setInterval(update, BAR_INTERVAL_MS);
  return {
    stop() {
      clearInterval(timer);
      update();
      bar.stop();
    },
  };
}

/**
 * @param {Now} now
 * @param {number} files
 * @param {NodeJS.WriteStream} stream
 */
function showLines(now, files, stream) {
  const print = () => {
    const { files: done, events, findings, workers } = now();
    stream.write(`  ${done}/${files} files  ${events} events  ${findings} findings  ${workers}\n`);
  };
  const timer = setInterval(print, LINE_INTERVAL_MS);
  return {
    stop() {
      clearInterval(timer);
      print();
    },
  };
}

/** @param {import('./totals.js').Totals} totals */
function describeWorkers(totals) {
  const failed = totals.count('worker_failed');
  const gone = failed + totals.count('worker_complete') + totals.count('worker_cancelled');
  const running = totals.count('worker_spawned') - gone;
  return `${running} ${running === 1 ? 'worker' : 'workers'}${failed > 0 ? `, ${failed} crashed` : ''}`;
}
