import { render } from 'preact';
import { App } from './app.js';
import { showTurning } from './parts/show-turning.js';
import { watchAlerts } from './state/alerts.js';
import { keepTime } from './state/now.js';
import { followAddress } from './state/place.js';
import { openSession } from './state/session.js';
import { applyTheme, watchDarkness } from './state/theme.js';
import './style/tokens.css';
import './style/base.css';
import './style/shell.css';
import './style/parts.css';
import './style/event-row.css';

/** The entry of the page. */

showTurning();
applyTheme();
watchDarkness();
followAddress();
keepTime(() => document.hidden);
openSession();
watchAlerts();
render(<App />, document.getElementById('app')!);
