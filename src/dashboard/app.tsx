import { Shell } from './parts/shell.js';
import { SignIn } from './parts/sign-in.js';
import { session } from './state/session.js';

export function App() {
  const { value } = session;
  if (value.kind === 'ended') return null;
  return value.kind === 'signIn' ? <SignIn refused={value.refused} /> : <Shell />;
}
