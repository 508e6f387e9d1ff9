/** Log messages of authentication, for the server's operator. No message or field ever holds a token or a secret. */
export type AuthLogger = (
  level: 'debug' | 'info' | 'warn' | 'error',
  message: string,
  fields: Readonly<Record<string, unknown>>,
) => void;
