/**
 * The event and the acknowledgement of its publication: the shapes that users see everywhere,
 * in process, on the WebSocket, over HTTP and in the command line's `--json`.
 */

/** How durable a publish has become when it is acknowledged. */
export type Durability = 'synced' | 'written' | 'none';

/** One immutable fact, published once, delivered to every matching subscription. */
export interface Event<P = unknown> {
  /** A ULID, or the publisher's own id: 1–64 characters of `A-Z a-z 0-9 _ -`. */
  readonly id: string;
  readonly topic: string;
  /** Printable, without spaces, at most 255 bytes of UTF-8: `task_completed`, `com.example.order.created`. */
  readonly type: string;
  /** Any JSON value. */
  readonly payload: P;
  /** The actor or user that published it. */
  readonly source: string;
  /** RFC 3339, UTC, milliseconds. */
  readonly timestamp: string;
  /** Ties the events of one request or run together. */
  readonly correlationId?: string;
  /** The id of the event that caused this one. */
  readonly causationId?: string;
  /** At most 16 flat pairs to filter on: `agentId`, `taskId`, `worldId` … */
  readonly attributes?: Readonly<Record<string, string>>;
  readonly shard: number;
  /** The position in the shard's log: 1, 2, 3 … Absent on ephemeral events. */
  readonly sequence?: number;
}

/** What a publisher hands over. `source` defaults to the bus's `source` option. */
export interface EventInput<P = unknown> {
  topic: string;
  type: string;
  payload: P;
  source?: string;
  correlationId?: string;
  causationId?: string;
  attributes?: Readonly<Record<string, string>>;
  /** Given by the publisher, it makes the publish idempotent on its topic within the dedupe window. */
  id?: string;
  /** RFC 3339, UTC, or a `Date`. Left out: the time at which the bus records the event. */
  timestamp?: string | Date;
}

export type IdScope = 'topic' | 'source';

export interface PublishOptions {
  /** `synced` (the default) survives power loss; `written` survives the death of the process. */
  durability?: 'synced' | 'written';
  /** `false`: ephemeral, delivered live and never stored. Default: the bus's `defaultPersist`. */
  persist?: boolean;
  /**
   * By what an `id` that the publisher gives is known: the topic (the default), so that whoever publishes it there again
   * repeats it; or the topic and the event's `source`, as CloudEvents have it.
   */
  idScope?: IdScope;
  /** Gives up waiting. What a shard has already taken is not taken back. */
  signal?: AbortSignal;
}

export interface PublishAck {
  readonly id: string;
  readonly topic: string;
  readonly shard: number;
  /** Absent on ephemeral events. */
  readonly sequence?: number;
  readonly durability: Durability;
  /** The same id was stored on this topic before, within the dedupe window; this is its first position. */
  readonly duplicate: boolean;
}

/**
 * The standard event types. Types are open: any printable text without spaces is one.
 */
export const EventType = {
  WORKER_SPAWNED: 'worker_spawned',
  WORKER_PROGRESS: 'worker_progress',
  WORKER_COMPLETE: 'worker_complete',
  WORKER_FAILED: 'worker_failed',
  WORKER_CANCELLED: 'worker_cancelled',

  FINDING_NEW: 'finding_new',
  FINDING_UPDATED: 'finding_updated',

  CHAT_MESSAGE: 'chat_message',
  CHAT_TYPING: 'chat_typing',

  FILE_CHANGED: 'file_changed',
  FILE_CREATED: 'file_created',
  FILE_DELETED: 'file_deleted',

  USER_INPUT: 'user_input',
  USER_COMMAND: 'user_command',

  AGENT_SPAWNED: 'agent_spawned',
  AGENT_STARTED: 'agent_started',
  AGENT_STATUS_CHANGED: 'agent_status_changed',
  AGENT_PAUSED: 'agent_paused',
  AGENT_RESUMED: 'agent_resumed',
  AGENT_COMPLETED: 'agent_completed',
  AGENT_FAILED: 'agent_failed',
  AGENT_KILLED: 'agent_killed',
  AGENT_LOG: 'agent_log',
  AGENT_METRIC: 'agent_metric',

  TASK_CREATED: 'task_created',
  TASK_STARTED: 'task_started',
  TASK_PROGRESS: 'task_progress',
  TASK_COMPLETED: 'task_completed',
  TASK_FAILED: 'task_failed',
  TASK_CANCELLED: 'task_cancelled',

  WORKFLOW_STARTED: 'workflow_started',
  WORKFLOW_STEP_COMPLETED: 'workflow_step_completed',
  WORKFLOW_COMPLETED: 'workflow_completed',
  WORKFLOW_FAILED: 'workflow_failed',
  WORKFLOW_PAUSED: 'workflow_paused',
  WORKFLOW_RESUMED: 'workflow_resumed',

  STATE_CREATED: 'state_created',
  STATE_UPDATED: 'state_updated',
  STATE_DELETED: 'state_deleted',

  STORY_EVENT_CREATED: 'story_event_created',
  NARRATIVE_EVENT_TRIGGERED: 'narrative_event_triggered',
  CHALLENGE_RESOLVED: 'challenge_resolved',

  GENERATION_BATCH_QUEUED: 'generation_batch_queued',
  GENERATION_BATCH_PROGRESS: 'generation_batch_progress',
  GENERATION_BATCH_COMPLETED: 'generation_batch_completed',
  GENERATION_BATCH_FAILED: 'generation_batch_failed',
  SUGGESTION_QUEUED: 'suggestion_queued',
  SUGGESTION_PROGRESS: 'suggestion_progress',
  SUGGESTION_COMPLETED: 'suggestion_completed',
  SUGGESTION_FAILED: 'suggestion_failed',

  SYSTEM_HEARTBEAT: 'system_heartbeat',
  SYSTEM_ERROR: 'system_error',
  DAEMON_STARTED: 'daemon_started',
  DAEMON_STOPPING: 'daemon_stopping',
  HEALTH_CHECK: 'health_check',
  METRICS_UPDATE: 'metrics_update',
  CONNECTION_ESTABLISHED: 'connection_established',
  CONNECTION_CLOSED: 'connection_closed',
} as const;

/** One of the standard event types. */
export type EventType = (typeof EventType)[keyof typeof EventType];

/** What stands before an event type's first `_` or `.`: `agent` of `agent_status_changed`, `order` of `order.created`. */
export function categoryOf(type: string): string {
  const end = type.search(/[_.]/);
  return end < 0 ? type : type.slice(0, end);
}
