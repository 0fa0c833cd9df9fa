/*
 * pkt-line (gitprotocol-common(5)): four hex digits give the length of the whole line including themselves, at most
 * 65,520; 0000 flush, 0001 delimiter, 0002 response end carry nothing.
 */
export const FLUSH = Buffer.from('0000')
export const DELIM = Buffer.from('0001')
export const MAX_PKT_BYTES = 65_520
const NEWLINE = 0x0a

export type Packet =
  | { readonly type: 'data'; readonly data: Buffer }
  | { readonly type: 'flush' | 'delim' | 'response-end' }

export class PktLineError extends Error {}

/** Throws RangeError for more than 65,516 bytes. */
export function pktLine(text: string | Buffer): Buffer {
  const data = typeof text === 'string' ? Buffer.from(text) : text
  if (data.length + 4 > MAX_PKT_BYTES) throw new RangeError('pkt-line too long')
  return Buffer.concat([Buffer.from((data.length + 4).toString(16).padStart(4, '0')), data])
}

/** Many short lines as one piece; a buffer for each would cost more than all the rest. Throws RangeError as `pktLine` does. */
export function pktLines(lines: readonly string[]): Buffer {
  let text = ''
  for (const line of lines) {
    const size = (ASCII.test(line) ? line.length : Buffer.byteLength(line)) + 4
    if (size > MAX_PKT_BYTES) throw new RangeError('pkt-line too long')
    text += size.toString(16).padStart(4, '0') + line
  }
  return Buffer.from(text)
}

const ASCII = /^[\0-\x7f]*$/

/**
 * Reads the packet that begins at `at`; undefined when the buffer ends before it does.
 * Throws PktLineError for anything that is no pkt-line.
 */
export function readPacket(
  buffer: Buffer,
  at: number,
): { packet: Packet; next: number } | undefined {
  if (buffer.length < at + 4) return undefined
  const length = lengthAt(buffer, at)
  if (length === 0) return { packet: { type: 'flush' }, next: at + 4 }
  if (length === 1) return { packet: { type: 'delim' }, next: at + 4 }
  if (length === 2) return { packet: { type: 'response-end' }, next: at + 4 }
  if (length < 4 || length > MAX_PKT_BYTES) throw new PktLineError('impossible pkt-line length')
  if (buffer.length < at + length) return undefined
  return { packet: { type: 'data', data: buffer.subarray(at + 4, at + length) }, next: at + length }
}

/** Of the packet that begins there. A request may hold 100,000 of them. */
function lengthAt(buffer: Buffer, at: number): number {
  let length = 0
  for (let n = at; n < at + 4; n += 1) {
    const digit = HEX_DIGITS[buffer[n] as number] as number
    if (digit < 0) throw new PktLineError('not a pkt-line')
    length = length * 16 + digit
  }
  return length
}

/** What a byte stands for as a digit; -1 for what is none. */
const HEX_DIGITS = Int8Array.from({ length: 256 }, (_, byte) =>
  /[0-9a-fA-F]/.test(String.fromCharCode(byte))
    ? Number.parseInt(String.fromCharCode(byte), 16)
    : -1,
)

/** All packets of a complete message. Throws PktLineError when it is cut off. */
export function parsePackets(buffer: Buffer): Packet[] {
  const packets: Packet[] = []
  for (let at = 0; at < buffer.length; ) {
    const read = readPacket(buffer, at)
    if (!read) throw new PktLineError('cut off pkt-line')
    packets.push(read.packet)
    at = read.next
  }
  return packets
}

/** Line of text without its optional newline. */
export function packetText(packet: Packet): string {
  if (packet.type !== 'data') return ''
  const { data } = packet
  return data.toString('utf8', 0, data.at(-1) === NEWLINE ? data.length - 1 : data.length)
}
