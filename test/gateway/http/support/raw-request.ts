import { once } from 'node:events';
import { connect } from 'node:net';

/** Sends the text unchanged, and returns the answer up to the end of the connection, or until `isDone` returns true. */
export async function sendRaw(
  port: number,
  text: string,
  isDone: (answer: string) => boolean = () => false,
): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.setEncoding('latin1');
  let answer = '';
  socket.on('error', () => {});
  socket.on('data', (piece: string) => {
    answer += piece;
    if (isDone(answer)) socket.destroy();
  });
  socket.write(text, 'latin1');
  await once(socket, 'close');
  return answer;
}

export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.\d (\d{3})/.exec(answer)?.[1]);
}
