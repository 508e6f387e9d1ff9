import type { SeekPreview } from 'millrace/client';
import { counted, whole } from '../../text/format.js';

/** What a seek would change, a sentence each. Pure. */
export function previewTexts({ again, passed, inFlight, unseen }: SeekPreview): readonly string[] {
  const least = unseen > 0 ? 'At least ' : '';
  const lost = `${counted(inFlight, 'lease')} would be lost.`;
  return [
    `${least}${counted(again, 'event')} that ${again === 1 ? 'is' : 'are'} done or dead would come again.`,
    `${least}${counted(passed, 'event')} that ${passed === 1 ? 'is' : 'are'} to be done would be passed over.`,
    ...(inFlight > 0 ? [lost] : []),
    ...(unseen > 0
      ? [`${whole(unseen)} further events of the log, of others too, were not looked at.`]
      : []),
  ];
}
