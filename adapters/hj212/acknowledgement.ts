import { encode, versionOf, type Packet } from './codec.ts'
import { checksum, type Checksum } from './crc.ts'

type Answered = Pick<Packet, 'qn' | 'pw' | 'mn' | 'flag'>

/** Behind `##LLLL`. */
const SEGMENT = 6
const QN = SEGMENT + 'QN='.length
/** `CCCC\r\n` */
const TAIL = 6

/** What a sender is answered all day: one frame, but for QN and the checksum that follows from it. */
export class Acknowledgement {
  readonly #cn: string
  readonly #crc: Checksum
  readonly #first: Answered
  readonly #qnBytes: number
  readonly #frame: Buffer

  /** As the packet is answered; `cn` says what is acknowledged. */
  constructor({ qn, pw, mn, flag }: Answered, cn: string, crc: Checksum) {
    this.#cn = cn
    this.#crc = crc
    this.#first = { qn, pw, mn, flag }
    this.#qnBytes = bytesOf(qn)
    const frame = encode({ qn, st: '91', cn, pw, mn, flag: versionOf({ flag }) << 2, cp: '' }, crc)
    // Kept for long: a part of a slab that others share would keep all of it.
    this.#frame = Buffer.allocUnsafeSlow(frame.length)
    frame.copy(this.#frame)
  }

  /** Whether the packet is answered by the same but for QN. */
  fits({ qn, pw, mn, flag }: Answered, cn: string, crc: Checksum): boolean {
    const first = this.#first
    return (
      first.mn === mn &&
      first.pw === pw &&
      first.flag === flag &&
      this.#cn === cn &&
      this.#crc === crc &&
      this.#qnBytes === bytesOf(qn)
    )
  }

  get size(): number {
    return this.#frame.length
  }

  /** The frame that answers `qn`. */
  write(target: Buffer, at: number, qn: string | null): void {
    this.#frame.copy(target, at)
    if (qn === null) return
    if (qn.length === this.#qnBytes)
      for (let i = 0; i < qn.length; i++) target[at + QN + i] = qn.charCodeAt(i)
    else target.write(qn, at + QN)
    const end = at + this.size - TAIL
    const crc = checksum(target, this.#crc, at + SEGMENT, end)
    for (let i = 0; i < 4; i++) target[end + i] = HEX.charCodeAt((crc >> (12 - 4 * i)) & 0xf)
  }
}

const HEX = '0123456789ABCDEF'

/** -1 where there is no QN at all. */
function bytesOf(qn: string | null): number {
  return qn === null ? -1 : Buffer.byteLength(qn)
}
