import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { LfsObject } from '../lib/lfs-client.js'
import { Random } from './random.js'

const BLOCK = 1024 * 1024

/** Bytes that no server has seen: a block of noise, each time with its number and the seed in front. */
export function* noise(size: number, seed: number): Generator<Buffer> {
  const block = new Random(1).bytes(BLOCK)
  for (let at = 0; at < size; at += BLOCK) {
    const part = Buffer.from(block.subarray(0, Math.min(BLOCK, size - at)))
    if (part.length >= 16) {
      part.writeDoubleLE(seed, 0)
      part.writeDoubleLE(at, 8)
    }
    yield part
  }
}

export function describeNoise(size: number, seed: number): LfsObject {
  const hash = createHash('sha256')
  for (const part of noise(size, seed)) hash.update(part)
  return { oid: hash.digest('hex'), size }
}

export function noiseStream(size: number, seed: number): Readable {
  return Readable.from(noise(size, seed), { objectMode: false, highWaterMark: BLOCK })
}

/** On disk for good before the clock starts: write-back during a row would be charged to whoever runs then. */
export async function writeNoise(path: string, size: number, seed: number): Promise<LfsObject> {
  await pipeline(noiseStream(size, seed), createWriteStream(path, { flush: true }))
  return describeNoise(size, seed)
}
