/** XXH32 with seed 0, the checksum of the LZ4 frame format. Unsigned 32-bit result. */
export function xxh32(bytes: Uint8Array, start = 0, end = bytes.length): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = start
  let h: number
  if (end - start >= 16) {
    let a = (P1 + P2) | 0
    let b = P2
    let c = 0
    let d = -P1 | 0
    for (; at <= end - 16; at += 16) {
      a = round(a, view.getInt32(at, true))
      b = round(b, view.getInt32(at + 4, true))
      c = round(c, view.getInt32(at + 8, true))
      d = round(d, view.getInt32(at + 12, true))
    }
    h = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0
  } else {
    h = P5
  }
  h = (h + (end - start)) | 0
  for (; at <= end - 4; at += 4) {
    h = Math.imul(rotate((h + Math.imul(view.getInt32(at, true), P3)) | 0, 17), P4)
  }
  for (; at < end; at++) {
    h = Math.imul(rotate((h + Math.imul(bytes[at] as number, P5)) | 0, 11), P1)
  }
  h = Math.imul(h ^ (h >>> 15), P2)
  h = Math.imul(h ^ (h >>> 13), P3)
  return (h ^ (h >>> 16)) >>> 0
}

const P1 = 0x9e3779b1 | 0
const P2 = 0x85ebca77 | 0
const P3 = 0xc2b2ae3d | 0
const P4 = 0x27d4eb2f
const P5 = 0x165667b1

const rotate = (x: number, bits: number) => (x << bits) | (x >>> (32 - bits))
const round = (acc: number, lane: number) =>
  Math.imul(rotate((acc + Math.imul(lane, P2)) | 0, 13), P1)
