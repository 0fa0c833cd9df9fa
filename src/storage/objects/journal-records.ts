import { createHash } from 'node:crypto'

/*
 * A journal is a file of records, one after the other:
 *
 *   magic "PHJ1" · key bytes (u16) · object bytes (u32) · SHA-256 of the object (32)
 *   · first 8 bytes of the SHA-256 of all that and the key · key (ASCII) · object
 *
 * What follows the last whole record was being written when the power went, and was acknowledged to nobody.
 */
const MAGIC = Buffer.from('PHJ1')
const SUMMED_BYTES = 42
const SUM_BYTES = 8
export const HEAD_BYTES = SUMMED_BYTES + SUM_BYTES
/** Longest key and object that a record is read with: what is beyond is no record. */
const MAX_KEY_BYTES = 1024
const MAX_OBJECT_BYTES = 1024 * 1024

export interface SmallObject {
  readonly key: string
  /** Lower-case hex. */
  readonly sha256: string
  readonly bytes: Buffer
}

/** Where an object's bytes are in a run of records. */
export interface Placed {
  readonly key: string
  readonly at: number
  readonly size: number
}

/** The records as one piece of memory of its own. */
export function encodeRecords(objects: readonly SmallObject[]): {
  records: Uint8Array<ArrayBuffer>
  placed: Placed[]
} {
  const total = objects.reduce((sum, it) => sum + HEAD_BYTES + it.key.length + it.bytes.length, 0)
  const records = Buffer.from(new ArrayBuffer(total))
  const placed: Placed[] = []
  let at = 0
  for (const { key, sha256, bytes } of objects) {
    const head = records.subarray(at, at + HEAD_BYTES)
    head.set(MAGIC)
    head.writeUInt16BE(key.length, 4)
    head.writeUInt32BE(bytes.length, 6)
    head.write(sha256, 10, 'hex')
    head.set(sumOf(head, key), SUMMED_BYTES)
    at += HEAD_BYTES + records.write(key, at + HEAD_BYTES, 'latin1')
    records.set(bytes, at)
    placed.push({ key, at, size: bytes.length })
    at += bytes.length
  }
  return { records, placed }
}

/** Reads exactly so many bytes; undefined at the end, or when there are fewer. */
type Read = (bytes: number) => Promise<Buffer | undefined>

/** The whole records, up to the first that is not. */
export async function* decodeRecords(read: Read): AsyncGenerator<SmallObject> {
  for (;;) {
    const head = await read(HEAD_BYTES)
    if (!head?.subarray(0, MAGIC.length).equals(MAGIC)) return
    const [keyBytes, size] = [head.readUInt16BE(4), head.readUInt32BE(6)]
    if (keyBytes > MAX_KEY_BYTES || size > MAX_OBJECT_BYTES) return
    const key = (await read(keyBytes))?.toString('latin1')
    if (key === undefined || !sumOf(head, key).equals(head.subarray(SUMMED_BYTES))) return
    const bytes = size === 0 ? Buffer.alloc(0) : await read(size)
    const sha256 = head.toString('hex', 10, SUMMED_BYTES)
    if (!bytes || createHash('sha256').update(bytes).digest('hex') !== sha256) return
    yield { key, sha256, bytes }
  }
}

function sumOf(head: Buffer, key: string): Buffer {
  const hash = createHash('sha256').update(head.subarray(0, SUMMED_BYTES)).update(key, 'latin1')
  return hash.digest().subarray(0, SUM_BYTES)
}
