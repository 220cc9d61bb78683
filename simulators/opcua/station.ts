import { join } from 'node:path'
import { OPCUACertificateManager } from 'node-opcua-certificate-manager'
import {
  DataType,
  MessageSecurityMode,
  SecurityPolicy,
  StatusCodes,
  Variant,
  type StatusCode,
} from 'node-opcua-client'
import { OPCUAServer } from 'node-opcua-server'
import { Chance } from '../chance.ts'
import { Water } from '../devices/water.ts'

/** UNECE common codes as OPC UA numbers them, where there is one, and ranges of instruments as they are sold. */
const VARIABLES: Readonly<Record<string, { unit: string; code?: string; low: number; high: number }>> = {
  ph: { unit: 'pH', code: 'Q30', low: 0, high: 14 },
  do: { unit: 'mg/l', code: 'M1', low: 0, high: 20 },
  temperature: { unit: '°C', code: 'CEL', low: -5, high: 50 },
  conductivity: { unit: 'µS/cm', code: 'G42', low: 0, high: 5000 },
  // UNECE has no code for it: a unit of the vendor's own.
  turbidity: { unit: 'NTU', low: 0, high: 1000 },
  codmn: { unit: 'mg/l', code: 'M1', low: 0, high: 20 },
  nh3n: { unit: 'mg/l', code: 'M1', low: 0, high: 10 },
  tp: { unit: 'mg/l', code: 'M1', low: 0, high: 10 },
  tn: { unit: 'mg/l', code: 'M1', low: 0, high: 50 },
  flow: { unit: 'm³/s', code: 'MQS', low: -200, high: 200 },
}
const CLEAN = { sewage: 0, runOff: 0 }
const UNECE = 'http://www.opcfoundation.org/UA/units/un/cefact'

export interface StationOptions {
  readonly port: number
  /** For its key and certificate; kept from one life to the next. */
  readonly folder: string
  /** Names of the river stations behind it, as `Station` in `ns=1;s=Station.ph`. */
  readonly names: readonly string[]
  /** ms between two measurements; 0: only what {@link OpcuaStation.set} says. */
  readonly every: number
  readonly seed?: number
  /** Who may sign in, beside anybody; on secured endpoints only. */
  readonly user?: { readonly name: string; readonly password: string }
}

interface Item {
  setValueFromSource(value: Variant, status: StatusCode, at: Date): void
}

/**
 * An OPC UA server like the PLC of a river station: for each station an object with an analog item for each metric,
 * engineering units and range, values and source time from the water's model. Open, signed and encrypted endpoints.
 */
export class OpcuaStation {
  readonly #options: StationOptions
  readonly #waters: ReadonlyMap<string, Water>
  readonly #items = new Map<string, Item>()
  #server: OPCUAServer | undefined
  #certificates: OPCUACertificateManager | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: StationOptions) {
    this.#options = options
    this.#waters = new Map(
      options.names.map((name) => [name, new Water(new Chance(options.seed ?? 1, name))]),
    )
  }

  get url(): string {
    return `opc.tcp://127.0.0.1:${this.#options.port}`
  }

  /** Its certificate, for whoever is to trust it. */
  get certificateFile(): string {
    return join(this.#options.folder, 'server.pem')
  }

  async start(): Promise<void> {
    const { port, folder, user, every } = this.#options
    const certificates = new OPCUACertificateManager({
      rootFolder: folder,
      automaticallyAcceptUnknownCertificate: true,
      disableFileWatchers: true,
    })
    await certificates.initialize()
    const server = new OPCUAServer({
      port,
      hostname: '127.0.0.1',
      serverCertificateManager: certificates,
      userCertificateManager: certificates,
      certificateFile: this.certificateFile,
      privateKeyFile: certificates.privateKey,
      securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
      securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
      allowAnonymous: true,
      ...(user !== undefined && {
        userManager: {
          isValidUser: (name: string, password: string) => name === user.name && password === user.password,
        },
      }),
      buildInfo: { productName: 'River station' },
    })
    this.#server = server
    this.#certificates = certificates
    await server.initialize()
    this.#build(server)
    if (every > 0) this.#measure()
    await server.start()
    if (every > 0) this.#timer = setInterval(() => this.#measure(), every)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    const server = this.#server
    this.#server = undefined
    await server?.shutdown(0)
    server?.dispose()
    await this.#certificates?.dispose()
    this.#items.clear()
  }

  /** What a variable says from now on. */
  set(
    name: string,
    metric: string,
    value: number,
    { status = StatusCodes.Good, at = Date.now() }: { status?: StatusCode; at?: number } = {},
  ): void {
    const item = this.#items.get(`${name}.${metric}`)
    if (item === undefined) throw new Error(`${name} has no ${metric}`)
    item.setValueFromSource(new Variant({ dataType: DataType.Double, value }), status, new Date(at))
  }

  #measure(): void {
    const at = Date.now()
    for (const [name, water] of this.#waters) {
      const metrics = water.measure(at, CLEAN)
      for (const metric of Object.keys(VARIABLES)) this.set(name, metric, Number(metrics[metric]), { at })
    }
  }

  #build(server: OPCUAServer): void {
    const addressSpace = server.engine.addressSpace
    if (addressSpace === null) throw new Error('the server has no address space')
    const namespace = addressSpace.getOwnNamespace()
    for (const name of this.#options.names) {
      const station = namespace.addObject({
        organizedBy: addressSpace.rootFolder.objects,
        browseName: name,
      })
      for (const [metric, { unit, code, low, high }] of Object.entries(VARIABLES)) {
        const item = namespace.addAnalogDataItem({
          componentOf: station,
          nodeId: `s=${name}.${metric}`,
          browseName: metric,
          dataType: 'Double',
          engineeringUnits: {
            namespaceUri: code === undefined ? 'urn:river-station' : UNECE,
            unitId: code === undefined ? 1 : unitId(code),
            displayName: { text: unit },
          },
          engineeringUnitsRange: { low, high },
        })
        item.setValueFromSource(
          new Variant({ dataType: DataType.Double, value: 0 }),
          StatusCodes.BadWaitingForInitialData,
        )
        this.#items.set(`${name}.${metric}`, item)
      }
    }
  }
}

/** The characters of a common code as bytes [OPC 10000-8 §5.6.3.2]. */
function unitId(code: string): number {
  return Buffer.from(code).reduce((number, byte) => number * 256 + byte, 0)
}
