import { z } from 'zod'
import type { ByteRange } from '../ports.js'
import type { RepoFile } from '../types.js'
import type { SafetensorsCount } from './card.js'

/*
 * A safetensors file begins with the length of its header (8 bytes, little-endian) and the header, a JSON object:
 *   { "<tensor>": { "dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24] }, …, "__metadata__": {…} }
 */
const MAX_HEADER_BYTES = 8 * 1024 * 1024
const MAX_SHARDS = 128
/** The format has about twenty; each is kept with the card, and told with it. */
const MAX_DTYPES = 64
const AT_ONCE = 8
const FIRST_READ = 64 * 1024

type ReadRange = (file: RepoFile, range: ByteRange) => Promise<Buffer>

const Header = z.record(
  z.string(),
  z.object({ dtype: z.string().max(20), shape: z.array(z.int().min(0)).max(32) }).or(z.unknown()),
)
const Tensor = z.object({
  dtype: z.string().regex(/^[A-Za-z]\w{0,19}$/),
  shape: z.array(z.int().min(0)).max(32),
})

/** Counts over the shards of one model. Undefined when a header cannot be read: half a count would be a wrong one. */
export async function countParameters(
  shards: readonly RepoFile[],
  read: ReadRange,
): Promise<SafetensorsCount | undefined> {
  if (shards.length === 0 || shards.length > MAX_SHARDS) return undefined
  const parameters: Record<string, number> = {}
  for (let at = 0; at < shards.length; at += AT_ONCE) {
    const counts = await Promise.all(
      shards.slice(at, at + AT_ONCE).map((it) => countFile(it, read).catch(() => undefined)),
    )
    for (const count of counts) {
      if (!count) return undefined
      for (const [dtype, n] of count) parameters[dtype] = (parameters[dtype] ?? 0) + n
    }
    if (Object.keys(parameters).length > MAX_DTYPES) return undefined
  }
  return { parameters, total: Object.values(parameters).reduce((sum, it) => sum + it, 0) }
}

async function countFile(
  file: RepoFile,
  read: ReadRange,
): Promise<Map<string, number> | undefined> {
  if (file.size < 10) return undefined
  const start = await read(file, { first: 0, last: Math.min(FIRST_READ, file.size) - 1 })
  const length = Number(start.readBigUInt64LE(0))
  if (length < 2 || length > Math.min(MAX_HEADER_BYTES, file.size - 8)) return undefined
  const json =
    start.length >= length + 8
      ? start.subarray(8, length + 8)
      : await read(file, { first: 8, last: length + 7 })
  const header = Header.parse(JSON.parse(json.toString('utf8')))
  const counts = new Map<string, number>()
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const { dtype, shape } = Tensor.parse(value)
    const n = shape.reduce((product, it) => product * it, 1)
    if (!Number.isSafeInteger(n)) return undefined
    counts.set(dtype, (counts.get(dtype) ?? 0) + n)
    if (counts.size > MAX_DTYPES) return undefined
  }
  return counts
}

/** Of the root's safetensors files, those that make up the model: the index's shards, the usual name, or the only one. */
export function shardsOf(candidates: readonly RepoFile[], index: unknown): readonly RepoFile[] {
  const byName = new Map(candidates.map((it) => [it.path, it]))
  const map = z.object({ weight_map: z.record(z.string(), z.string()) }).safeParse(index)
  if (map.success) {
    const shards = [...new Set(Object.values(map.data.weight_map))].map((it) => byName.get(it))
    return shards.every((it) => it !== undefined) ? shards : []
  }
  const named = byName.get('model.safetensors') ?? byName.get('adapter_model.safetensors')
  return named ? [named] : candidates.length === 1 ? candidates : []
}
