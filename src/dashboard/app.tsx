import { Shell } from './parts/shell.js';
import { SignIn } from './parts/sign-in.js';
import { session } from './state/session.js';

export function App() {
  return session.value.kind === 'signIn' ? <SignIn refused={session.value.refused} /> : <Shell />;
}
