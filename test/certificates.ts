import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/** Certificates as an integrator makes them, with the openssl command, in a folder of their own. */
export class Certificates {
  readonly folder = mkdtempSync(join(tmpdir(), 'gridwhistle-tls-'))

  /** The path of `{name}.pem` or `{name}.key`. */
  file(name: string): string {
    return join(this.folder, name)
  }

  authority(name: string): void {
    const subject = ['-subj', `/CN=${name}`, '-days', '2']
    this.#openssl('req', '-x509', ...KEY, ...subject, '-keyout', `${name}.key`, '-out', `${name}.pem`)
  }

  /** Good for 127.0.0.1 and for clients. */
  issue(name: string, commonName: string, authority: string): void {
    const subject = ['-subj', `/CN=${commonName}`]
    this.#openssl('req', '-new', ...KEY, ...subject, '-keyout', `${name}.key`, '-out', `${name}.csr`)
    writeFileSync(this.file(`${name}.ext`), 'subjectAltName=IP:127.0.0.1')
    const by = ['-CA', `${authority}.pem`, '-CAkey', `${authority}.key`, '-CAcreateserial', '-days', '2']
    const made = ['-in', `${name}.csr`, '-extfile', `${name}.ext`, '-out', `${name}.pem`]
    this.#openssl('x509', '-req', ...by, ...made)
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.folder, stdio: 'ignore' })
  }
}
