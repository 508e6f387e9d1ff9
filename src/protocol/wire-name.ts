/** The names that both ends of a WebSocket have to agree on before the first frame. */

export const WIRE_PROTOCOL = 'millrace.v1';
export const WIRE_PATH = '/events';
