import { hrefOf, place } from '../../state/place.js';
import { PublishForm } from './publish-form.js';
import { ReplayForm, replay } from './replay-form.js';
import { SentList } from './sent-list.js';
import './publish.css';

/** Publishes one event from a form, or stored events again. */
export default function Publish() {
  const isReplay = place.value.parameters.get('mode') === 'replay';
  return (
    <div class="publish">
      <nav class="publish-ways" aria-label="Ways to publish">
        <a href={hrefOf('publish')} aria-current={isReplay ? undefined : 'page'}>
          One event
        </a>
        <a
          href={hrefOf('publish', { mode: 'replay' })}
          aria-current={isReplay ? 'page' : undefined}
        >
          Replay
          {replay.state.value.kind === 'publishing' && <span class="tag">publishing</span>}
        </a>
      </nav>
      {isReplay ? (
        <ReplayForm />
      ) : (
        <div class="publish-parts">
          <PublishForm />
          <SentList />
        </div>
      )}
    </div>
  );
}
