/** A certificate for 127.0.0.1 that vouches for itself, for servers that are to be spoken to over TLS. Made by openssl. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureProgram } from './ensure-program.ts';

export interface CertificateFiles {
  /** PEM; also what clients are to trust. */
  certificateFile: string;
  /** PEM, PKCS #8. */
  keyFile: string;
}

/** Good for a day. */
export async function makeCertificate(directory: string): Promise<CertificateFiles> {
  await ensureProgram({
    name: 'openssl',
    versionFlag: 'version',
    aptPackage: 'openssl',
    instead: 'Install openssl 3 or newer.',
  });
  const [certificateFile, keyFile] = [join(directory, 'certificate.pem'), join(directory, 'key.pem')];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '1'];
  await promisify(execFile)('openssl', ['req', '-x509', ...key, ...subject, '-out', certificateFile], {
    timeout: 30_000,
  });
  return { certificateFile, keyFile };
}
