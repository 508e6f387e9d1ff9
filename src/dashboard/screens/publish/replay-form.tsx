import { useSignal } from '@preact/signals';
import { ChipsField } from '../../parts/chips-field.js';
import { Notice } from '../../parts/notice.js';
import { PatternsField } from '../../parts/patterns-field.js';
import { TextField } from '../../parts/text-field.js';
import { TimeField } from '../../parts/time-field.js';
import { amendOn, place } from '../../state/place.js';
import { client } from '../../state/session.js';
import { RATE_DEFAULT, RATE_MAX } from './bounds.js';
import { DryRunView } from './dry-run-view.js';
import { Replay } from './replay.js';
import { isLoop, type ReplaySettings, replaySettingsOf } from './replay-plan.js';
import { ReplayProgress } from './replay-progress.js';
import { TopicField } from './topic-field.js';

/** The replay of this tab. It goes on while other screens show. */
const replay = new Replay();

/** Publishes stored events again: a range and a target, a dry run, then the copies. The address holds the range. */
export function ReplayForm() {
  const settings = replaySettingsOf(place.value.parameters);
  const { value: state } = replay.state;
  const isBusy = state.kind === 'counting' || state.kind === 'publishing';
  const isReady = settings.patterns.length > 0 && settings.target !== '';
  // A dry run says nothing about another range.
  const isCounted = replay.isOf(settings);
  return (
    <div class="replay">
      <form
        class="card replay-form"
        aria-label="Replay"
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady && !isBusy) void replay.count(client(), settings);
        }}
      >
        <Range settings={settings} />
        <TopicField
          id="replay-target"
          label="To the topic"
          value={settings.target}
          onInput={(to) => amendOn('publish', { to })}
        />
        {isLoop(settings) && (
          <Notice kind="warning">
            {settings.target} is one of the topics that are replayed. This replay ends before its
            own copies, but another one would publish them again.
          </Notice>
        )}
        <div class="row">
          <button type="submit" class="primary" disabled={!isReady || isBusy}>
            Dry run
          </button>
          <span class="soft">counts the events and publishes nothing</span>
        </div>
      </form>
      {isCounted && <DryRunView run={replay.dryRun.value} isCounting={state.kind === 'counting'} />}
      {isCounted && state.kind !== 'counting' && <Run settings={settings} />}
      {state.kind === 'counting' && (
        <button type="button" onClick={() => replay.stop()}>
          Cancel
        </button>
      )}
    </div>
  );
}

function Run({ settings }: { readonly settings: ReplaySettings }) {
  const rate = useSignal(RATE_DEFAULT);
  const durability = useSignal<'synced' | 'written'>('synced');
  const isAccepted = useSignal(false);
  const { value: state } = replay.state;
  const isBusy = state.kind === 'publishing';
  const { events } = replay.dryRun.value;
  const mayStart =
    events > 0 && !isBusy && state.kind !== 'done' && (!isLoop(settings) || isAccepted.value);
  const isBegun = replay.published.value > 0;
  return (
    <section class="card replay-run" aria-label="Copies">
      <div class="row">
        <label class="check" for="replay-rate">
          Events per second
        </label>
        <input
          id="replay-rate"
          type="number"
          min={1}
          max={RATE_MAX}
          value={rate.value}
          disabled={isBusy}
          onInput={(event) => {
            const given = Math.round(Number(event.currentTarget.value));
            if (given >= 1 && given <= RATE_MAX) rate.value = given;
          }}
        />
        <label class="check" for="replay-durability">
          Durability
        </label>
        <select
          id="replay-durability"
          value={durability.value}
          disabled={isBusy}
          onChange={(event) => {
            durability.value = event.currentTarget.value === 'written' ? 'written' : 'synced';
          }}
        >
          <option value="synced">synced</option>
          <option value="written">written</option>
        </select>
      </div>
      {isLoop(settings) && (
        <label class="check">
          <input
            type="checkbox"
            checked={isAccepted.value}
            onChange={(event) => {
              isAccepted.value = event.currentTarget.checked;
            }}
          />
          Publish to a topic that is replayed
        </label>
      )}
      <div class="row">
        {isBusy ? (
          <button type="button" onClick={() => replay.stop()}>
            Stop
          </button>
        ) : (
          <button
            type="button"
            class="primary"
            disabled={!mayStart}
            onClick={() =>
              void replay.publish(client(), { rate: rate.value, durability: durability.value })
            }
          >
            {isBegun ? 'Go on' : 'Publish the copies'}
          </button>
        )}
        <ReplayProgress replay={replay} />
      </div>
    </section>
  );
}

function Range({ settings }: { readonly settings: ReplaySettings }) {
  return (
    <div class="fields">
      <PatternsField
        values={settings.patterns}
        placeholder="orders.* or orders.new"
        onChange={(topic) => amendOn('publish', { topic })}
      />
      <ChipsField
        label="Types"
        values={settings.types}
        onChange={(type) => amendOn('publish', { type })}
        isSpaceEnd
      />
      <ChipsField
        label="Sources"
        values={settings.sources}
        onChange={(source) => amendOn('publish', { source })}
      />
      <ChipsField
        label="Correlation ids"
        values={settings.correlationIds}
        onChange={(correlationId) => amendOn('publish', { correlationId })}
      />
      <TimeField
        label="Recorded at or after"
        value={settings.since}
        onChange={(since) => amendOn('publish', { since })}
      />
      <TimeField
        label="Recorded before"
        value={settings.until}
        onChange={(until) => amendOn('publish', { until })}
      />
      <TextField
        id="replay-id"
        label="Only the event with the id"
        value={settings.id}
        placeholder="all that match"
        onInput={(id) => amendOn('publish', { id: id.trim() })}
      />
    </div>
  );
}
