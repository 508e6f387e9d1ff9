import { type Command, Option } from 'commander';
import { ALERT_SEVERITIES, type AlertInfo, type AlertRuleInput } from '../../protocol/alerts.js';
import { quote } from '../../protocol/quote.js';
import { act } from '../act.js';
import { addServerOptions, type ServerSettings } from '../config.js';
import { CommandFailure, notify } from '../failure.js';
import { printable, writeLine } from '../output.js';
import type { Session } from '../session.js';
import { tableLines } from '../table.js';

/** `millrace alerts`: lists, sets and removes the rules that watch a bus. */

interface AlertsOptions extends ServerSettings {
  json?: true;
}

interface SetOptions extends AlertsOptions {
  description?: string;
  severity?: AlertRuleInput['severity'];
  disabled?: true;
}

export function addAlertsCommand(program: Command): void {
  const command = program
    .command('alerts')
    .description('list, set and remove the rules that watch the bus');
  const list = command
    .command('list', { isDefault: true })
    .description('list the rules, and which of them fire')
    .option('--json', 'one rule a line, as JSON');
  addServerOptions(list);
  list.action(() => act(list, printAlerts));
  const set = command
    .command('set')
    .description('add a rule, or replace the rule of this name')
    .argument('<name>', '1 to 64 characters of a-z 0-9 _ -')
    .argument(
      '<when>',
      "such as 'no event on orders.* for 5 min' or 'consumer mailer pending over 1000 for 1 min'",
    )
    .option('--description <text>', 'a text for those who see it fire')
    .addOption(
      new Option('--severity <severity>', 'how bad it is; default warning').choices(
        ALERT_SEVERITIES,
      ),
    )
    .option('--disabled', 'keep the rule, and watch nothing')
    .option('--json', 'print the rule as JSON');
  addServerOptions(set);
  set.action((name: string, when: string) =>
    act<SetOptions>(set, (session, options) => setAlert(session, name, when, options)),
  );
  const remove = command
    .command('remove')
    .description('remove a rule')
    .argument('<name>', 'the name of the rule');
  addServerOptions(remove);
  remove.action((name: string) => act(remove, (session) => removeAlert(session, name)));
}

async function printAlerts(session: Session, { json }: AlertsOptions): Promise<void> {
  const { alerts, fault } = (await session.request('alerts', {})).alerts!;
  if (fault !== undefined) notify(`${fault.message} (${fault.code})`);
  if (json === true) {
    for (const alert of alerts) writeLine(JSON.stringify(alert));
    return;
  }
  const rows = alerts.map((alert) => [
    alert.name,
    alert.enabled ? alert.state : 'disabled',
    alert.since ?? '',
    alert.severity,
    alert.origin,
    printable(alert.text),
  ]);
  const header = ['name', 'state', 'since', 'severity', 'origin', 'when'];
  for (const line of tableLines(header, rows)) writeLine(line);
}

async function setAlert(
  session: Session,
  name: string,
  when: string,
  { description, severity, disabled, json }: SetOptions,
): Promise<void> {
  const rule: AlertRuleInput = {
    name,
    when,
    ...(description === undefined ? {} : { description }),
    ...(severity === undefined ? {} : { severity }),
    ...(disabled === undefined ? {} : { enabled: false }),
  };
  const alert: AlertInfo = (await session.request('setAlert', { rule })).alert!;
  notify(`${name}: ${printable(alert.text)}`);
  if (json === true) writeLine(JSON.stringify(alert));
}

async function removeAlert(session: Session, name: string): Promise<void> {
  const { removed } = (await session.request('removeAlert', { name })).removedAlert!;
  if (!removed) throw new CommandFailure(`there is no alert ${quote(name)}`);
  notify(`removed ${name}`);
}
