import type { ConsumerBoard } from './consumer-board.js';

/** What a bus is asked about its consumers, whichever node serves them. */
export type ConsumerCalls = Pick<ConsumerBoard, 'list' | 'open' | 'alter' | 'seekPositions'>;
