import type { GroupView } from '../link/publish-records.js';
import type { ShardEnd } from './shard-end.js';

/** Takes the acks that come with groups of publishes (`ackAndPublish`). */
export interface GroupSettling {
  /**
   * Takes the ack of the group's lease, which is to be stored in the transaction of the batch, or not at all.
   * @param isRepeat its events are stored already: the ack counts also if the log has no room for the batch
   * @returns `ended`: the lease is the member's no longer, and the group is refused; `later`: the link's endpoint has
   * still to say which leases it holds. The group and all behind it wait then until `ShardEnd.isHeld` is set to false.
   */
  settleWithGroup(link: ShardEnd, group: GroupView, isRepeat: boolean): 'done' | 'ended' | 'later';
}
