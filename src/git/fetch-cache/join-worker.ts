/**
 * The worker thread behind `writeJoined`: frames and hashes the entries of two packs as one, straight from file to file.
 *   answer = "packfile\n" packet, then packets of side-band 1 (gitprotocol-v2(5) "packfile section"), flush
 *   pack   = "PACK" version count, entries, hash of all before (gitformat-pack(5))
 * Entries name their bases by distance or by id, so they may stand behind any others.
 */
import { createHash, type Hash } from 'node:crypto'
import { readvSync, writeSync } from 'node:fs'
import { answerCalls } from '../../lib/worker-pool.js'
import { PACKFILE_HEADER } from '../../protocol/git-fetch.js'
import { FLUSH, MAX_PKT_BYTES } from '../../protocol/pkt-line.js'

export interface JoinOrder {
  /** File descriptors: what is read, and what is written from its beginning. */
  readonly pack: number
  readonly part: number
  /** Where the entries of the pack begin and end. */
  readonly from: number
  readonly to: number
  /** Entries that follow them. */
  readonly tail: Uint8Array
  /** All of them together. */
  readonly objects: number
  readonly hash: 'sha1' | 'sha256'
}

export interface Joined {
  /** Written with this call. */
  readonly bytes: number
  readonly done: boolean
}

const PACKETS_AT_ONCE = 48
const HEAD_BYTES = 5
const PAYLOAD_BYTES = MAX_PKT_BYTES - HEAD_BYTES

class Joining {
  readonly #order: JoinOrder
  readonly #hash: Hash
  readonly #buffer = Buffer.allocUnsafeSlow(PACKETS_AT_ONCE * MAX_PKT_BYTES)
  #at: number
  #written = 0

  constructor(order: JoinOrder) {
    this.#order = order
    this.#hash = createHash(order.hash)
    this.#at = order.from
  }

  begin(): Joined {
    const head = Buffer.alloc(12)
    head.write('PACK')
    head.writeUInt32BE(2, 4)
    head.writeUInt32BE(this.#order.objects, 8)
    this.#hash.update(head)
    return { bytes: this.#write(Buffer.concat([PACKFILE_HEADER, framed(head)])), done: false }
  }

  more(): Joined {
    const left = this.#order.to - this.#at
    return left > 0
      ? { bytes: this.#copy(left), done: false }
      : { bytes: this.#finish(), done: true }
  }

  #copy(left: number): number {
    const slices: Buffer[] = []
    let end = 0
    for (let rest = left; rest > 0 && slices.length < PACKETS_AT_ONCE; rest -= PAYLOAD_BYTES) {
      const bytes = Math.min(rest, PAYLOAD_BYTES)
      writeHead(this.#buffer, end, bytes)
      slices.push(this.#buffer.subarray(end + HEAD_BYTES, end + HEAD_BYTES + bytes))
      end += HEAD_BYTES + bytes
    }
    const wanted = slices.reduce((sum, it) => sum + it.length, 0)
    // what is on disk as a whole is read as a whole; anything else is a pack that is no longer what it was
    if (readvSync(this.#order.pack, slices, this.#at) !== wanted)
      throw new Error('a pack ends before its size')
    for (const slice of slices) this.#hash.update(slice)
    this.#at += wanted
    return this.#write(this.#buffer.subarray(0, end))
  }

  #finish(): number {
    const { tail } = this.#order
    this.#hash.update(tail)
    const packets: Buffer[] = []
    for (let at = 0; at < tail.length; at += PAYLOAD_BYTES)
      packets.push(framed(tail.subarray(at, at + PAYLOAD_BYTES)))
    return this.#write(Buffer.concat([...packets, framed(this.#hash.digest()), FLUSH]))
  }

  #write(bytes: Buffer): number {
    for (let at = 0; at < bytes.length; )
      at += writeSync(this.#order.part, bytes, at, bytes.length - at, this.#written + at)
    this.#written += bytes.length
    return bytes.length
  }
}

function framed(payload: Uint8Array): Buffer {
  const packet = Buffer.allocUnsafe(HEAD_BYTES + payload.length)
  writeHead(packet, 0, payload.length)
  packet.set(payload, HEAD_BYTES)
  return packet
}

function writeHead(buffer: Buffer, at: number, bytes: number): void {
  buffer.write((bytes + HEAD_BYTES).toString(16).padStart(4, '0'), at, 'latin1')
  buffer[at + 4] = 1
}

answerCalls(() => {
  let joining: Joining | undefined
  return (body) => {
    if (joining) return { body: joining.more() }
    joining = new Joining(body as JoinOrder)
    return { body: joining.begin() }
  }
})
