/**
 * Event types for applications to share. The bus gives them no meaning and must not import them; any printable text
 * without spaces can be a type. The bus's own types are in `src/endpoint/system-events.ts`.
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
