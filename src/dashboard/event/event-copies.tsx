import type { Event } from 'millrace/client';
import { useMemo } from 'preact/hooks';
import { Notice } from '../parts/notice.js';
import { isSignedIn } from '../state/session.js';
import { codeOf, commandOf, curlOf } from './copy-as.js';
import { CopyButton } from './copy-button.js';
import { LongText } from './long-text.js';
import { usePayloadText } from './use-payload-text.js';

/** Commands and code that publish the event again. */
export function EventCopies({ event }: { readonly event: Event }) {
  const shown = usePayloadText(event);
  if (shown === undefined) return <p class="loading">Loading …</p>;
  return (
    <>
      {shown.fault !== undefined && <Notice kind="warning">{shown.fault}</Notice>}
      <Copies event={event} payloadText={shown.text} needsToken={isSignedIn.value} />
    </>
  );
}

interface CopiesProps {
  readonly event: Event;
  readonly payloadText: string;
  readonly needsToken: boolean;
}

function Copies({ event, payloadText, needsToken }: CopiesProps) {
  const { curl, command, code } = useMemo(() => {
    const source = { event, payloadText, url: serverUrl(), needsToken };
    return { curl: curlOf(source), command: commandOf(source), code: codeOf(source) };
  }, [event, payloadText, needsToken]);
  return (
    <>
      <p class="soft">
        Each publishes the event anew, without its id and time.
        {needsToken && ' The token is taken from the environment, MILLRACE_TOKEN.'}
      </p>
      <Copy name="curl" text={curl} />
      <Copy name="Command line" text={command} />
      <Copy name="TypeScript" text={code} />
    </>
  );
}

function Copy({ name, text }: { readonly name: string; readonly text: string | undefined }) {
  return (
    <section class="copy-as">
      <h3 class="row">
        {name}
        {text !== undefined && <CopyButton what={`as ${name}`} text={() => text} />}
      </h3>
      {text === undefined ? (
        <p class="soft">
          A field of this event cannot stand in a command: it has a NUL or, in a key, a “=”.
        </p>
      ) : (
        <LongText text={text} />
      )}
    </section>
  );
}

function serverUrl(): string {
  return new URL('.', document.baseURI).href.replace(/\/$/, '');
}
