import { expect, test } from 'vitest'
import {
  DELIM,
  FLUSH,
  MAX_PKT_BYTES,
  PktLineError,
  packetText,
  parsePackets,
  pktLine,
  readPacket,
} from '../../../src/protocol/pkt-line.js'

test('the examples of gitprotocol-common(5)', () => {
  expect(pktLine('a\n').toString()).toBe('0006a\n')
  expect(pktLine('a').toString()).toBe('0005a')
  expect(pktLine('foobar\n').toString()).toBe('000bfoobar\n')
  expect(pktLine('').toString()).toBe('0004')
})

test('what is written is read back, special packets included', () => {
  const lines = ['', 'a', 'ä\n', 'x'.repeat(MAX_PKT_BYTES - 4)]
  const message = Buffer.concat([
    ...lines.map((it) => pktLine(it)),
    DELIM,
    FLUSH,
    Buffer.from('0002'),
  ])
  const packets = parsePackets(message)
  expect(packets.map((it) => it.type)).toEqual([
    'data',
    'data',
    'data',
    'data',
    'delim',
    'flush',
    'response-end',
  ])
  expect(packets.slice(0, 4).map((it) => packetText(it))).toEqual(lines.map((it) => it.trimEnd()))
})

test('the longest line is 65,516 bytes', () => {
  expect(() => pktLine(Buffer.alloc(MAX_PKT_BYTES - 3))).toThrow(RangeError)
  expect(pktLine(Buffer.alloc(MAX_PKT_BYTES - 4)).toString('latin1', 0, 4)).toBe('fff0')
  expect(() => readPacket(Buffer.from('fff1'), 0)).toThrow(PktLineError)
})

test('upper-case lengths are read, other text is refused', () => {
  expect(packetText(parsePackets(Buffer.from('000Bfoobar\n'))[0] ?? { type: 'flush' })).toBe(
    'foobar',
  )
  for (const it of ['zzzz', '-001', '0x10', ' 004', '0003', '+00a'])
    expect(() => readPacket(Buffer.from(it), 0)).toThrow(PktLineError)
})

test('a line is known only when all of it is there', () => {
  const line = pktLine('hello\n')
  for (let end = 0; end < line.length; end += 1)
    expect(readPacket(line.subarray(0, end), 0)).toBeUndefined()
  expect(readPacket(line, 0)?.next).toBe(line.length)
  expect(() => parsePackets(line.subarray(0, -1))).toThrow('cut off')
})
