import { type Signal, useSignal } from '@preact/signals';
import { client } from '../../state/session.js';
import { whole } from '../../text/format.js';
import { RATE_DEFAULT, RATE_MAX } from './bounds.js';
import type { Replay } from './replay.js';
import { isLoop, rateOf, sentenceOf } from './replay-plan.js';
import { ReplayProgress } from './replay-progress.js';

/** Publishes the copies of what a dry run has counted, stops and goes on. */
export function ReplayRun({ replay }: { readonly replay: Replay }) {
  const rateText = useSignal(String(RATE_DEFAULT));
  const durability = useSignal<'synced' | 'written'>('synced');
  const isAccepted = useSignal(false);
  const { settings } = replay;
  if (settings === undefined) return null;
  const isBusy = replay.state.value.kind === 'publishing';
  const rate = rateOf(rateText.value);
  const isLooping = isLoop(settings);
  const mayStart = replay.mayPublish && rate !== undefined && (!isLooping || isAccepted.value);
  const start = (): void => {
    if (rate === undefined) return;
    void replay.publish(client(), { rate, durability: durability.value });
  };
  return (
    <section class="card replay-run" aria-label="Copies">
      <p>Copies {sentenceOf(settings)}.</p>
      <Pace rateText={rateText} durability={durability} isFixed={isBusy} />
      {isLooping && (
        <label class="check">
          <input
            type="checkbox"
            checked={isAccepted.value}
            disabled={isBusy}
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
          <button type="button" class="primary" disabled={!mayStart} onClick={start}>
            {replay.published.value > 0 ? 'Go on' : 'Publish the copies'}
          </button>
        )}
        <ReplayProgress replay={replay} />
      </div>
    </section>
  );
}

interface PaceProps {
  readonly rateText: Signal<string>;
  readonly durability: Signal<'synced' | 'written'>;
  readonly isFixed: boolean;
}

function Pace({ rateText, durability, isFixed }: PaceProps) {
  const isFaulty = rateOf(rateText.value) === undefined;
  return (
    <>
      <div class="row">
        <label class="check" for="replay-rate">
          Events per second
        </label>
        <input
          id="replay-rate"
          type="number"
          min={1}
          max={RATE_MAX}
          value={rateText.value}
          disabled={isFixed}
          aria-invalid={isFaulty}
          aria-describedby={isFaulty ? 'replay-rate-fault' : undefined}
          onInput={(event) => {
            rateText.value = event.currentTarget.value;
          }}
        />
        <label class="check" for="replay-durability">
          Durability
        </label>
        <select
          id="replay-durability"
          value={durability.value}
          disabled={isFixed}
          onChange={(event) => {
            durability.value = event.currentTarget.value === 'written' ? 'written' : 'synced';
          }}
        >
          <option value="synced">synced</option>
          <option value="written">written</option>
        </select>
      </div>
      {isFaulty && (
        <p class="fault" id="replay-rate-fault" role="status">
          Events per second are a whole number from 1 to {whole(RATE_MAX)}.
        </p>
      )}
    </>
  );
}
