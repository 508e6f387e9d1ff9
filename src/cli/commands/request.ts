import { type Command, Option } from 'commander';
import { REQUEST_TIMEOUT_MS, REQUEST_TIMEOUT_MS_MAX } from '../../protocol/limits/requests.js';
import { payloadTextOf } from '../../protocol/payload-text.js';
import { bodyText } from '../body.js';
import { addServerOptions, applyConfig, type ServerSettings } from '../config.js';
import { eventFormat, writeLine } from '../output.js';
import { Session } from '../session.js';
import { type Attributes, collectAttribute, durationFrom } from '../values.js';

/** `millrace request`: asks a question on a topic, and prints the payload of its answer. */

interface RequestCommandOptions extends ServerSettings {
  type: string;
  source: string;
  correlationId?: string;
  attribute?: Attributes;
  wait: number;
  text?: true;
  json?: true;
}

export function addRequestCommand(program: Command): void {
  const command = program
    .command('request')
    .description('ask a question on a topic, and print the payload of its answer')
    .argument('<topic>', 'topic to ask on, such as prices.quote')
    .argument('[body]', 'payload, JSON or text; default: null')
    .option('--type <type>', 'the type of the question, without spaces', 'question')
    .option('--source <source>', 'source of the question', 'cli')
    .option('--correlation-id <id>', 'id shared by events that belong together')
    .addOption(
      new Option('--attribute <key=value>', 'attribute of the question; may be repeated').argParser(
        collectAttribute,
      ),
    )
    .addOption(
      new Option('--wait <duration>', 'how long to wait for the answer, at most 1d')
        .default(REQUEST_TIMEOUT_MS, '5s')
        .argParser(durationFrom(1, REQUEST_TIMEOUT_MS_MAX, 'from 1ms to 1d')),
    )
    .option('--text', 'take the body as text, also if it is JSON')
    .option('--json', 'print the whole answer as JSON');
  addServerOptions(command);
  command.action(async (topic: string, body: string | undefined) => {
    applyConfig(command);
    await request(topic, body, command.opts<RequestCommandOptions>());
  });
}

async function request(
  topic: string,
  body: string | undefined,
  options: RequestCommandOptions,
): Promise<void> {
  const payload = body === undefined ? 'null' : bodyText(body, options.text === true);
  const { type, source, correlationId, attribute: attributes, wait: timeoutMs } = options;
  const head = JSON.stringify({ topic, type, source, correlationId, attributes });
  const session = await Session.open({ ...options, timeout: options.timeout + timeoutMs });
  try {
    const event = `${head.slice(0, -1)},"payload":${payload}}`;
    const frame = `{"event":${event},"timeoutMs":${timeoutMs}}`;
    const { event: answer } = await session.requestText('request', frame);
    writeLine(options.json === true ? eventFormat(true)(answer) : payloadTextOf(answer));
  } finally {
    session.close();
  }
}
