/**
 * Checks the system packages that the suites need, before they run. As root on a Debian it installs missing ones, and
 * prints what it installs, unless MILLRACE_NO_INSTALL=1. Elsewhere it prints the command that installs them, and the
 * suites that need them are skipped with a message; in CI it fails instead.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A command that a suite runs, and the Debian packages that have it. */
const NEEDED = [
  { command: 'strace', package: 'strace', suite: 'test/bus: an ack means fsynced' },
  {
    command: 'gcc',
    package: 'gcc libc6-dev',
    suite: 'test/bus: flushes that fail; test/store: the storage campaign',
  },
  { command: 'xfs_io', package: 'xfsprogs', suite: 'test/store: power cuts of real file systems' },
  {
    command: 'mkfs.ext4',
    package: 'e2fsprogs',
    suite: 'test/store: power cuts of real file systems',
  },
  {
    command: 'mkfs.btrfs',
    package: 'btrfs-progs',
    suite: 'test/store: full disks',
  },
  { command: 'losetup', package: 'mount', suite: 'test/store: power cuts of real file systems' },
  {
    command: 'chromium',
    package: 'chromium',
    suite: 'test/client, test/dashboard, test/gateway, test/examples: browsers',
  },
  { command: 'curl', package: 'curl', suite: 'test/gateway: curl; commands in docs/' },
  {
    command: 'ip',
    package: 'iproute2',
    suite: 'test/faults: two network namespaces',
  },
  {
    command: 'faketime',
    package: 'faketime',
    suite: 'fuzz/faults: the clock of a whole process',
  },
  { command: 'nats-server', package: 'nats-server', suite: 'test/stores/nats' },
  { command: 'openssl', package: 'openssl', suite: 'test/gateway: TLS' },
  { command: 'redis-server', package: 'redis-server', suite: 'test/stores/redis' },
];

function isInstalled(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function missing() {
  return NEEDED.filter(({ command }) => !isInstalled(command));
}

function install(packages) {
  const run = (...args) => spawnSync('apt-get', args, { stdio: 'inherit' }).status === 0;
  const names = packages.join(' ').split(' ');
  return run('update') && run('install', '--yes', '--no-install-recommends', ...names);
}

const packages = missing().map((needed) => needed.package);
if (packages.length > 0) {
  const canInstall = process.getuid?.() === 0 && isInstalled('apt-get');
  const isAllowed = process.env.MILLRACE_NO_INSTALL !== '1';
  if (canInstall && isAllowed) {
    console.error(
      `The suites need ${packages.join(', ')}. Installing: apt-get install ${packages.join(' ')}`,
    );
    console.error('MILLRACE_NO_INSTALL=1 skips the suites that need them instead.');
    install(packages);
  }
  const left = missing();
  for (const { command, suite } of left) {
    console.error(`NOT FOUND: ${command}. Skipped without it: ${suite}.`);
  }
  if (left.length > 0) {
    console.error(`Install: apt-get install ${left.map((needed) => needed.package).join(' ')}`);
    if (process.env.CI === 'true') process.exit(1);
  }
}
