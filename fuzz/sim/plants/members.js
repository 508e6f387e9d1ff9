/**
 * Faults of clients that work on a consumer's events.
 *
 * @type {import('../plants.js').Plants}
 */
export const memberPlants = {
  'a member waits for tokens that are gone with a thread': {
    adr: '0052',
    edits: [
      {
        file: 'endpoint/consume/member.js',
        from: 'this.#membership.goOn(end); // The tokens that a leaving member waits for may have gone with the thread. this.#waiters.wake();',
        to: 'this.#membership.goOn(end);',
      },
    ],
  },
  'events leased ahead for a client wait for the next lease': {
    adr: '0059',
    edits: [
      {
        file: 'endpoint/consume/client-member.js',
        from: 'if (wasOut && delivery.isLost) this.#client.onLost(lease); // What was leased ahead waits for this place. this.flush();',
        to: 'if (wasOut && delivery.isLost) this.#client.onLost(lease);',
      },
    ],
  },
  'the leases of a client that is gone stay': {
    adr: '0059',
    edits: [
      {
        file: 'endpoint/consume/client-member.js',
        from: 'this.#member.stop(); await this.#member.leave(how);',
        to: 'this.#member.stop();',
      },
    ],
  },
  'a member of a client that comes back does not join again': {
    adr: '0059',
    edits: [
      {
        file: 'client/consume/remote-members.js',
        from: 'this.settler.flush(); for (const member of this.all()) member.join();',
        to: 'this.settler.flush();',
      },
    ],
  },
};
