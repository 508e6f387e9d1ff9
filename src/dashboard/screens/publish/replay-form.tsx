import { ChipsField } from '../../parts/chips-field.js';
import { Notice } from '../../parts/notice.js';
import { PatternsField } from '../../parts/patterns-field.js';
import { TextField } from '../../parts/text-field.js';
import { TimeField } from '../../parts/time-field.js';
import { amendOn, place } from '../../state/place.js';
import { client } from '../../state/session.js';
import { DryRunView } from './dry-run-view.js';
import { Replay } from './replay.js';
import { isLoop, type ReplaySettings, replaySettingsOf } from './replay-plan.js';
import { ReplayRun } from './replay-run.js';
import { TopicField } from './topic-field.js';

/** The replay of this tab. It goes on while other screens show. */
export const replay = new Replay();

/**
 * Publishes stored events again: a range and a target, a dry run, then the copies. The address holds the range. While
 * copies are published, the range is fixed and the replay that publishes them is shown, whatever the address says.
 */
export function ReplayForm() {
  const settings = replaySettingsOf(place.value.parameters);
  const { kind } = replay.state.value;
  const isPublishing = kind === 'publishing';
  const isCounting = kind === 'counting';
  // A dry run says nothing about another range.
  const isShown = isPublishing || replay.isOf(settings);
  return (
    <div class="replay">
      <RangeForm settings={settings} isFixed={isPublishing} />
      <CountState />
      {isShown && <DryRunView run={replay.dryRun.value} isCounting={isCounting} />}
      {isShown && !isCounting && <ReplayRun replay={replay} />}
    </div>
  );
}

interface RangeFormProps {
  readonly settings: ReplaySettings;
  readonly isFixed: boolean;
}

function RangeForm({ settings, isFixed }: RangeFormProps) {
  const isReady = settings.patterns.length > 0 && settings.target !== '';
  const isCounting = replay.state.value.kind === 'counting';
  return (
    <form
      class="card"
      aria-label="Replay"
      onSubmit={(event) => {
        event.preventDefault();
        if (isReady && !isCounting && !isFixed) void replay.count(client(), settings);
      }}
    >
      <fieldset class="replay-form" disabled={isFixed}>
        <Range settings={settings} />
        <TopicField
          id="replay-target"
          label="To the topic"
          value={settings.target}
          onInput={change('to')}
        />
        {isLoop(settings) && (
          <Notice kind="warning">
            {settings.target} is one of the topics that are replayed. This replay ends before its
            own copies, but another one would publish them again.
          </Notice>
        )}
        <div class="row">
          <button type="submit" class="primary" disabled={!isReady || isCounting}>
            Dry run
          </button>
          <span class="soft">counts the events and publishes nothing</span>
        </div>
      </fieldset>
    </form>
  );
}

/** A dry run that is under way, or that has failed. */
function CountState() {
  const { value: state } = replay.state;
  if (state.kind === 'uncounted') {
    return <Notice kind="bad">The dry run has failed. {state.reason}</Notice>;
  }
  if (state.kind !== 'counting') return null;
  return (
    <button type="button" onClick={() => replay.stop()}>
      Cancel
    </button>
  );
}

/** Changes one parameter of the range in the address. */
function change(parameter: string) {
  return (value: string | readonly string[]): void => amendOn('publish', { [parameter]: value });
}

function Range({ settings }: { readonly settings: ReplaySettings }) {
  return (
    <div class="fields">
      <PatternsField
        values={settings.patterns}
        placeholder="orders.* or orders.new"
        onChange={change('topic')}
      />
      <ChipsField label="Sources" values={settings.sources} onChange={change('source')} />
      <TextField
        id="replay-id"
        label="Only the event with the id"
        value={settings.id}
        placeholder="all that match"
        onInput={(id) => amendOn('publish', { id: id.trim() })}
      />
      {settings.id === '' && <RangeFilters settings={settings} />}
    </div>
  );
}

/** They choose among many events; an id names one. */
function RangeFilters({ settings }: { readonly settings: ReplaySettings }) {
  return (
    <>
      <ChipsField label="Types" values={settings.types} onChange={change('type')} isSpaceEnd />
      <ChipsField
        label="Correlation ids"
        values={settings.correlationIds}
        onChange={change('correlationId')}
      />
      <TimeField label="Recorded at or after" value={settings.since} onChange={change('since')} />
      <TimeField label="Recorded before" value={settings.until} onChange={change('until')} />
    </>
  );
}
