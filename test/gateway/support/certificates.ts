import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Self-signed certificates for `localhost`, made by the system's OpenSSL. */
export function makeCertificate(folder: string, name: string): { cert: string; key: string } {
  const cert = join(folder, `${name}.cert.pem`);
  const key = join(folder, `${name}.key.pem`);
  const subject = `/CN=${name}`;
  const options = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2';
  execFileSync('openssl', [...options.split(' '), '-subj', subject, '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  });
  return { cert, key };
}
