/**
 * Faults of rings, shards, stores and consumers.
 *
 * @type {import('../plants.js').Plants}
 */
export const enginePlants = {
  'two receivers on one port': {
    adr: '0008',
    edits: [
      {
        file: 'ring/record-channel.js',
        from: 'if (!this.#holds(key, generation)) this.#inbox.receive();',
        to: 'if (!this.#holds(key, generation)) this.#inbox.receive((bytes) => this.#take(bytes));',
      },
      {
        file: 'ring/buffer-inbox.js',
        from: 'receive() { let received = receiveMessageOnPort(this.#port); while (received !== undefined) { this.accept(received.message);',
        to: 'receive(take) { let received = receiveMessageOnPort(this.#port); while (received !== undefined) { if (take && types.isSharedArrayBuffer(received.message)) take(Buffer.from(received.message)); else this.accept(received.message);',
      },
    ],
  },
  'credit that found the ring full is never paid': {
    adr: '0008',
    edits: [
      { file: 'endpoint/links/control-sender.js', from: 'this.#unpaid.add(subscription);', to: '' },
    ],
  },
  'a shard looks for work before it says that it parks': {
    adr: '0003',
    edits: [
      {
        file: 'ring/wait.js',
        from: 'Atomics.store(int32, index, PARKED); try { if (!isIdle()) return 0; const parkedAt',
        to: 'if (!isIdle()) return 0; Atomics.store(int32, index, PARKED); try { const parkedAt',
      },
    ],
  },
  'an endpoint parks without another look': {
    edits: [
      {
        file: 'endpoint/links/delivery-loop.js',
        from: 'if (this.#sources.every((source) => source.isIdle)) return true;',
        to: 'return true;',
      },
    ],
  },
  'a shard is woken before the publish is there': {
    edits: [
      {
        file: 'endpoint/links/endpoint-end.js',
        from: 'this.#publishes.commit(type); for (let i = 0; i < publishes; i++) this.#pending.push(pending); this.#alive.hold(); this.wake();',
        to: 'this.wake(); this.#publishes.commit(type); for (let i = 0; i < publishes; i++) this.#pending.push(pending); this.#alive.hold();',
      },
    ],
  },
  'the ring is released before the commit': {
    adr: '0003',
    edits: [
      {
        file: 'shards/shard.js',
        from: 'else if (batch.handled > 0) this.#commit.begin();',
        to: 'else if (batch.handled > 0) { for (const link of this.links) link.releasePublishes(); this.#commit.begin(); }',
      },
    ],
  },
  'a repeated ack counts twice': {
    adr: '0003',
    edits: [
      {
        file: 'endpoint/links/endpoint-end.js',
        from: 'if (((position - this.#ackedPosition) | 0) <= 0) return;',
        to: '',
      },
    ],
  },
  'acks after a restart come in runs': {
    adr: '0003',
    edits: [{ file: 'shards/recovery.js', from: 'link.acksSinglyUntil = ring.mark;', to: '' }],
  },
  'ephemeral events are delivered again after a restart': {
    adr: '0003',
    edits: [{ file: 'shards/recovery.js', from: 'link.skipEphemeralUntil = ring.mark;', to: '' }],
  },
  'a publish overtakes the subscription before it': {
    edits: [
      {
        file: 'shards/publish-gate.js',
        from: 'if (this.#isReached || this.#commands.isStalled) this.until = this.#publishesNoted;',
        to: 'this.until = this.#publishes.consumer.look();',
      },
    ],
  },
  'the watermark of the next thread counts at once': {
    adr: '0003',
    edits: [
      {
        file: 'endpoint/links/delivery-reader.js',
        from: 'if (end.isCurrent && this.#ring.isEmpty()) end.watermark = watermark;',
        to: 'if (this.#ring.isEmpty()) end.watermark = watermark;',
      },
    ],
  },
  'the watermark is read behind the ring': {
    edits: [
      {
        file: 'endpoint/links/delivery-reader.js',
        from: 'if (end.isCurrent && this.#ring.isEmpty()) end.watermark = watermark;',
        to: 'if (end.isCurrent && this.#ring.isEmpty()) end.watermark = this.#ring.durableWatermark;',
      },
    ],
  },
  'the watermark moves while messages wait for room': {
    adr: '0003',
    edits: [
      {
        file: 'shards/shard-end.js',
        from: 'if (!this.isBlocked) this.#deliveryRing.durableWatermark = head;',
        to: 'this.#deliveryRing.durableWatermark = head;',
      },
    ],
  },
  'a relink does not empty the old ring': {
    adr: '0003',
    edits: [
      {
        file: 'endpoint/links/links.js',
        from: 'this.#readers[shard].drainWhole(); this.#ports[shard].close();',
        to: 'this.#ports[shard].close();',
      },
    ],
  },
  'a shard does not try again after it asked for room': {
    edits: [
      {
        file: 'shards/shard-end.js',
        from: 'this.#deliveryRing.setWaiting(); if (this.#deliveries.tryClaim(length)) return true;',
        to: 'this.#deliveryRing.setWaiting();',
      },
    ],
  },
  'a shard looks at the room of a ring after it asked for more': {
    edits: [
      {
        file: 'shards/shard-end.js',
        from: 'this.#fullAt = this.#deliveryRing.consumerPosition; this.#deliveryRing.setWaiting();',
        to: 'this.#deliveryRing.setWaiting(); this.#fullAt = this.#deliveryRing.consumerPosition;',
      },
      // Which would see that the wake-up has been spent.
      {
        file: 'shards/shard-end.js',
        from: '|| !ring.isWaiting',
        to: '',
      },
    ],
  },
  'a shard does not look whether its request for room still stands': {
    edits: [
      {
        file: 'shards/shard-end.js',
        from: '|| !ring.isWaiting',
        to: '',
      },
    ],
  },
  'a shard whose waker has died sleeps on': {
    edits: [
      {
        file: 'main/shard-supervisor.js',
        from: 'wakeOtherShardSurely(new ShardControl(control).words);',
        to: '',
      },
    ],
  },
  'a successor does not pay the wake-up that the dead thread owed': {
    edits: [{ file: 'ring/ring.js', from: '#mayOweWakeUp = true;', to: '#mayOweWakeUp = false;' }],
  },
  'a failed commit counts as a full disk': {
    adr: '0010',
    edits: [
      {
        file: 'shards/batch-commit.js',
        from: "if (!(error instanceof BusError) || error.code !== 'STORE_FULL') throw error; const batch = this.#batch;",
        to: "if (!(error instanceof BusError)) error = new BusError('STORE_FULL', String(error)); const batch = this.#batch;",
      },
    ],
  },
  'an endpoint parks though room has come': {
    edits: [
      {
        file: 'endpoint/links/delivery-reader.js',
        from: 'return !this.#end.roomHasCome && this.#ring.isEmpty();',
        to: 'return this.#ring.isEmpty();',
      },
    ],
  },
  'calls that waited for room wake nobody': {
    edits: [
      {
        file: 'endpoint/links/control-sender.js',
        from: 'if (sent > 0) this.#wakeShard();',
        to: '',
      },
    ],
  },
  'mail wakes the shard before it counts': {
    edits: [
      {
        file: 'main/shard-mailbox.js',
        from: 'Atomics.add(this.#control.words, MAIL, 1);',
        to: '',
      },
      {
        file: 'main/shard-mailbox.js',
        from: 'wakeSurely(this.#control.words, PARKED);',
        to: 'wakeSurely(this.#control.words, PARKED); Atomics.add(this.#control.words, MAIL, 1);',
      },
    ],
  },
  'mail wakes a shard only if its word says that it is parked': {
    edits: [
      {
        file: 'main/shard-mailbox.js',
        from: 'wakeSurely(this.#control.words, PARKED);',
        to: 'if (Atomics.load(this.#control.words, PARKED) === 1) wakeSurely(this.#control.words, PARKED);',
      },
    ],
  },
  'the positions of the rings are not stored': {
    adr: '0003',
    edits: [
      {
        file: 'shards/shard-run.js',
        from: 'positions.set(one.endpoint, one);',
        to: '{}',
      },
    ],
  },
  'an answer counts once what awaits it runs': {
    edits: [
      {
        file: 'link/pending-calls.js',
        from: 'call.onAnswer?.(checked); call.resolve(checked);',
        to: 'call.resolve(checked); Promise.resolve().then(() => call.onAnswer?.(checked));',
      },
    ],
  },
  'a synced batch is not flushed': {
    adr: '0010',
    edits: [
      {
        file: 'store/sqlite/connection/write-connection.js',
        from: 'this.setFull(!mayWait);',
        to: 'this.setFull(false);',
      },
      {
        file: 'store/sqlite/connection/write-connection.js',
        from: 'if (!this.#isFlushed) this.#flusher?.flush(); this.#isFlushed = true;',
        to: 'this.#isFlushed = true;',
      },
    ],
  },
  'an acknowledged job is not stored': {
    adr: '0049',
    edits: [
      {
        file: 'shards/batch-commit.js',
        from: 'const carries = along?.isDirty === true;',
        to: 'const carries = along?.isDirty === true && batch.isToStore;',
      },
    ],
  },
  'the leases of a dead member stay': {
    adr: '0052',
    edits: [
      {
        file: 'shards/shard.js',
        from: 'this.#consumers.leaveLink(link);',
        to: '',
      },
    ],
  },
  'keys go side by side': {
    adr: '0045',
    edits: [
      {
        file: 'shards/consumers/desk-consumer.js',
        from: 'this.machine.read(lane, sequence, this.#keyOf(view));',
        to: 'this.machine.read(lane, sequence, undefined);',
      },
    ],
  },
  'an event is leased twice': {
    adr: '0044',
    edits: [
      {
        file: 'consumers/endings.js',
        from: 'this.#ledger.laneOf(slot).acked++; this.#ledger.remove(slot);',
        to: 'this.#ledger.laneOf(slot).acked++; if (open.sequence[slot] % 5 > 0 || open.attempts[slot] > 1) this.#ledger.remove(slot); else { this.#ledger.endLease(slot); this.#ledger.putBack(slot); }',
      },
    ],
  },
  'a subscription is put back from the head': {
    adr: '0004',
    edits: [
      {
        file: 'endpoint/subscribe/placement.js',
        from: "const start = () => (progress.mode === 'history' ? 'replay' : progress.received);",
        to: "const start = () => (progress.mode === 'history' ? 'replay' : 'now');",
      },
    ],
  },
};
