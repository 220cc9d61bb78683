import { existsSync, mkdirSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { OPCUACertificateManager } from 'node-opcua-certificate-manager'
import { makeApplicationUrn } from 'node-opcua-client'

/**
 * Our key and certificate, and whom we trust, as files: `own/`, `trusted/certs/`, `rejected/`, `issuers/`. Nobody is
 * trusted from the start. A server that was turned away has its certificate in `rejected/`; a person who has looked
 * at it moves it to `trusted/certs/`.
 */
export class Pki {
  readonly manager: OPCUACertificateManager
  readonly applicationUri = makeApplicationUrn(hostname(), 'gridwhistle')
  readonly #dir: string

  constructor(dir: string) {
    this.#dir = dir
    this.manager = new OPCUACertificateManager({
      rootFolder: dir,
      automaticallyAcceptUnknownCertificate: false,
    })
  }

  get certificateFile(): string {
    return join(this.#dir, 'own', 'certs', 'gridwhistle.pem')
  }

  get privateKeyFile(): string {
    return this.manager.privateKey
  }

  /** Makes what is missing; takes a second the first time. */
  async start(): Promise<void> {
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 })
    await this.manager.initialize()
    if (existsSync(this.certificateFile)) return
    const tenYears = 3650
    await this.manager.createSelfSignedCertificate({
      applicationUri: this.applicationUri,
      dns: [hostname()],
      outputFile: this.certificateFile,
      subject: '/CN=Gridwhistle',
      startDate: new Date(),
      validity: tenYears,
    })
  }

  async stop(): Promise<void> {
    await this.manager.dispose()
  }

  /** Rejects with what to do about it. */
  async mustTrust(certificate: Buffer): Promise<void> {
    const status = await this.manager.checkCertificate(certificate)
    if (status.isGood()) return
    throw new Error(
      `the certificate of the server is not trusted (${status.name}); look at it in ` +
        `${join(this.#dir, 'rejected')}, and if it is the right one move it to ${join(this.#dir, 'trusted', 'certs')}`,
    )
  }
}
