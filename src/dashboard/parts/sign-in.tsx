import { useRef } from 'preact/hooks';
import { signIn } from '../state/session.js';
import { Mark } from './mark.js';
import { useUniqueId } from './use-unique-id.js';

/** Asks for a token. `refused`: the server's reason, where it has refused one. */
export function SignIn({ refused }: { readonly refused: string | undefined }) {
  const field = useRef<HTMLInputElement>(null);
  const keep = useRef<HTMLInputElement>(null);
  const id = useUniqueId();
  const submit = (event: Event): void => {
    event.preventDefault();
    const token = field.current!.value.trim();
    if (token !== '') signIn(token, keep.current!.checked);
  };
  return (
    <main class="sign-in">
      <form onSubmit={submit}>
        <h1>
          <Mark /> Millrace
        </h1>
        <p>This server asks for a token: an API key or a JWT.</p>
        {refused !== undefined && (
          <p class="fault" role="alert">
            {refused}
          </p>
        )}
        <label for={id}>Token</label>
        <input
          id={id}
          ref={field}
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          autofocus
        />
        <label class="check">
          <input ref={keep} type="checkbox" /> Keep it until this tab is closed
        </label>
        <button type="submit" class="primary">
          Sign in
        </button>
      </form>
    </main>
  );
}
