import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { parseGatewaySettings } from '../../src/gateway/settings.js';
import { withAbsolutePaths } from '../../src/main/gateway-paths.js';

const issued = { issuer: 'i', audience: 'a' };

it('pins every file of a gateway to the working directory of the call', () => {
  const options = {
    tls: { certFile: 'cert.pem', keyFile: './key.pem', passphrase: 'p' },
    auth: { keysFile: 'keys.json', revokedFile: 'gone', jwt: { secretFile: 'secret', ...issued } },
  };
  const pinned = {
    tls: { certFile: resolve('cert.pem'), keyFile: resolve('key.pem'), passphrase: 'p' },
    auth: {
      keysFile: resolve('keys.json'),
      revokedFile: resolve('gone'),
      jwt: { secretFile: resolve('secret'), ...issued },
    },
  };
  expect(withAbsolutePaths(options)).toEqual(pinned);
  expect(parseGatewaySettings(options)).toMatchObject(pinned);
});

it('leaves values that are not paths to the checks of the settings', () => {
  const options = { tls: { certFile: '', keyFile: 7 }, auth: 'keys' } as never;
  expect(withAbsolutePaths(options)).toEqual(options);
  expect(() => parseGatewaySettings(options)).toThrow(/certFile.*keyFile/);
});

it.each([null, 7, 'port', []])('refuses options that are no object: %j', (options) => {
  const refused = expect.objectContaining({ code: 'OPTION_INVALID' });
  expect(() => withAbsolutePaths(options as never)).toThrow(refused);
  expect(() => parseGatewaySettings(options as never)).toThrow(refused);
});
