import { type Command, Option } from 'commander';
import type { ConnectionInfo } from '../../protocol/operations.js';
import { quote } from '../../protocol/quote.js';
import { addServerOptions, applyConfig, type ServerSettings } from '../config.js';
import { CommandFailure, notify } from '../failure.js';
import { writeLine } from '../output.js';
import { Session } from '../session.js';
import { type Cell, formatBytes, tableLines } from '../table.js';

/** `millrace connections`: lists the clients of all gateways of a server's bus, or cuts one. */

interface ConnectionsOptions extends ServerSettings {
  cut?: string;
  json?: true;
}

export function addConnectionsCommand(program: Command): void {
  const command = program
    .command('connections')
    .description('list the clients that are connected, or cut one')
    .addOption(new Option('--cut <id>', 'cut this connection; its client may connect again'))
    .option('--json', 'one connection a line, as JSON');
  addServerOptions(command);
  command.action(async () => {
    applyConfig(command);
    const options = command.opts<ConnectionsOptions>();
    const session = await Session.open(options);
    try {
      if (options.cut === undefined) await list(session, options);
      else await cut(session, options.cut);
    } finally {
      session.close();
    }
  });
}

async function list(session: Session, { json }: ConnectionsOptions): Promise<void> {
  const { connections = [], complete } = await session.request('connections', {});
  if (json === true) for (const one of connections) writeLine(JSON.stringify(one));
  else for (const line of tableLines(COLUMNS, connections.map(cellsOf))) writeLine(line);
  if (complete !== true) notify('a gateway has not answered: its connections are missing');
}

async function cut(session: Session, id: string): Promise<void> {
  const { disconnected } = await session.request('disconnect', { id });
  if (disconnected !== true) throw new CommandFailure(`there is no connection ${quote(id)}`);
  notify(`cut the connection ${id}`);
}

const COLUMNS = [
  'id',
  'address',
  'principal',
  'kind',
  'since',
  'subscriptions',
  'received',
  'sent',
  'held',
  'user agent',
];

function cellsOf(one: ConnectionInfo): Cell[] {
  return [
    one.id,
    one.address,
    one.principal ?? '-',
    one.kind,
    one.since,
    one.subscriptions,
    formatBytes(one.receivedBytes),
    formatBytes(one.sentBytes),
    formatBytes(one.heldBytes),
    one.userAgent ?? '-',
  ];
}
