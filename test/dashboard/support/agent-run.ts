import { type BusClient, connect } from '../../../dist/client.js';

/**
 * A run as agents make it: a question, a plan, two agents that work side by side, an answer that comes in tokens, a
 * failure, and an event whose cause is not in the run.
 */

const ANSWER =
  'The bus keeps every stored event in the log of its topic’s shard. A subscriber that was away reads what it missed ' +
  'from there, and then goes on live, without a gap and without an event twice.';

/** As a language model streams them: a word with the space before it. */
export const TOKENS: readonly string[] = ANSWER.split(/(?= )/);

export interface AgentRun {
  readonly correlationId: string;
  readonly answer: string;
  /** How many events the run has. */
  readonly events: number;
}

/** When the run begins; its events follow by the plan below. */
const START = Date.UTC(2026, 10, 28, 9, 30);

export async function publishAgentRun(url: string, correlationId: string): Promise<AgentRun> {
  await using client = connect(url);
  let events = 0;
  const say = async (
    ms: number,
    source: string,
    topic: string,
    type: string,
    payload: unknown,
    causationId?: string,
  ): Promise<string> => {
    const timestamp = new Date(START + ms);
    const cause = causationId === undefined ? {} : { causationId };
    const event = { topic, type, source, payload, correlationId, timestamp, ...cause };
    const { id } = await client.publish(event, { durability: 'written' });
    events++;
    return id;
  };
  const question = await say(0, 'ada', 'chat.7', 'user_input', {
    text: 'How does a subscriber catch up?',
  });
  const plan = await say(40, 'planner', 'runs.7', 'workflow_started', { steps: 3 }, question);
  const search = await say(
    95,
    'planner',
    'tasks.search',
    'task_created',
    { query: 'catch-up' },
    plan,
  );
  const write = await say(110, 'planner', 'tasks.write', 'task_created', { words: 60 }, plan);
  const found = await say(180, 'searcher', 'tasks.search', 'task_started', {}, search);
  for (let n = 0; n < 6; n++) {
    await say(
      260 + n * 170,
      'searcher',
      'findings.docs',
      'finding_new',
      { page: `docs/${n}.md` },
      found,
    );
  }
  await say(
    900,
    'searcher',
    'tasks.search',
    'http_error',
    { status: 503, host: 'docs.internal' },
    found,
  );
  const done = await say(1420, 'searcher', 'tasks.search', 'task_completed', { pages: 6 }, found);
  const writing = await say(1460, 'writer', 'tasks.write', 'task_started', { after: done }, write);
  for (const [n, text] of TOKENS.entries()) {
    await say(1600 + n * 45, 'model', 'chat.7', 'chat_token', { text }, writing);
  }
  await say(3300, 'model', 'chat.7', 'chat_message', { text: ANSWER }, writing);
  await say(3380, 'writer', 'tasks.write', 'task_completed', { words: 34 }, writing);
  await say(3450, 'billing', 'usage.models', 'agent_metric', { tokens: 412 }, 'not-in-this-run');
  await say(3500, 'planner', 'runs.7', 'workflow_completed', { ok: true }, plan);
  return { correlationId, answer: ANSWER, events };
}

/** One more event of a run. */
export async function addToRun(
  client: BusClient,
  correlationId: string,
  type: string,
): Promise<void> {
  await client.publish({ topic: 'runs.7', type, source: 'late', payload: {}, correlationId });
}
