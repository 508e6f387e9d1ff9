/**
 * A violation, with the promise that it breaks: something acknowledged is gone or passed over (`lost`), comes more often
 * than promised (`repeated`), or in another order (`misordered`). All else is `other`: what hangs, what is told wrong.
 *
 * @typedef {'lost' | 'repeated' | 'misordered' | 'other'} Kind
 * @typedef {{ kind: Kind, text: string }} Problem
 */

/** @returns {Problem} */
export const lost = (text) => ({ kind: 'lost', text });
/** @returns {Problem} */
export const repeated = (text) => ({ kind: 'repeated', text });
/** @returns {Problem} */
export const misordered = (text) => ({ kind: 'misordered', text });
/** @returns {Problem} */
export const other = (text) => ({ kind: 'other', text });
