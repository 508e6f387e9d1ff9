import { Stage } from './stage/stage.js';

/**
 * Plays the attacks of one room, one after the other on one stage, and says of each whether the attacker got what was
 * wanted. An attack that throws has won, or could not be played: both are a problem.
 *
 * @typedef {{ name: string, wants: string, isLong?: boolean, play: (stage: Stage) => Promise<any> }} Attack
 * @typedef {{ name: string, stage?: import('./stage/stage.js').StageOptions, attacks: readonly Attack[] }} Room
 * @typedef {{ room: string, attack: string, ms: number, figures?: any, error?: Error }} Outcome
 *
 * @param {Room} room
 * @param {import('./stage/stage.js').Manner} manner
 * @param {(outcome: Outcome) => void} onPlayed
 * @param {(attack: Attack) => boolean} isWanted
 */
export async function playRoom(room, manner, onPlayed, isWanted = () => true) {
  const attacks = room.attacks.filter(
    (attack) => isWanted(attack) && (manner.isLong || !attack.isLong),
  );
  if (attacks.length === 0) return;
  let stage = await Stage.open(room.stage ?? {}, manner);
  try {
    for (const attack of attacks) {
      const outcome = await played(stage, room, attack);
      onPlayed(outcome);
      // What an attack has hurt must not be laid to the next one.
      if (outcome.error === undefined) continue;
      await stage.close();
      stage = await Stage.open(room.stage ?? {}, manner);
    }
  } finally {
    await stage.close();
  }
}

/** @returns {Promise<Outcome>} */
async function played(stage, room, attack) {
  const began = performance.now();
  const about = { room: room.name, attack: attack.name };
  const ms = () => Math.round(performance.now() - began);
  try {
    const figures = await attack.play(stage);
    await stage.clear();
    await stage.assertUnhurt();
    return { ...about, ms: ms(), ...(figures === undefined ? {} : { figures }) };
  } catch (error) {
    error.stack += `\n${grave(stage.server)}`;
    return { ...about, ms: ms(), error };
  }
}

/** The last lines of the server's log that are more than its usual work. */
function grave({ logs, text, child }) {
  const lines = logs.filter(
    ({ level, msg = '' }) => level !== 'debug' && (level !== 'info' || / cut|ended/.test(msg)),
  );
  return [
    `exit ${child.exitCode}, signal ${child.signalCode}`,
    ...lines.slice(-20).map((line) => JSON.stringify(line)),
    ...text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('{'))
      .slice(-20),
  ].join('\n');
}
