import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bench } from '../bench.js'
import { describeNoise, noiseStream } from '../generate/lfs-file.js'
import { writeXetFile, type XetFile } from '../generate/xet-file.js'
import { compare, type Measure, seconds } from '../lib/compare.js'
import { downloadLfs, uploadLfs } from '../lib/lfs-client.js'
import type { Figures, Row } from '../lib/row.js'
import { MB } from '../lib/stats.js'
import { downloadXet, uploadXet } from '../lib/xet-client.js'
import type { Hub } from '../servers/hub.js'

const REPOSITORY = 'xet-large'
/** Half of them up, half of them down. */
const TRANSFERS = 8

const sizeOf = (bench: Bench) => (bench.full ? 2_000 * MB : 64 * MB)
let seed = Date.now()

async function withHub(bench: Bench, use: (hub: Hub, dir: string) => Promise<Figures>) {
  const { hub } = bench
  if (!hub) return {}
  await hub.createRepository(REPOSITORY).catch(() => {}) // another row of this file may have made it
  const dir = await bench.folder('xet')
  try {
    return await use(hub, dir)
  } finally {
    await rm(dir, { recursive: true })
  }
}

function make(bench: Bench, dir: string): Promise<XetFile> {
  seed += 1
  return writeXetFile(join(dir, `${seed}`), sizeOf(bench), seed)
}

const speed = async ({ object }: XetFile, work: () => Promise<unknown>) =>
  object.size / MB / (await seconds(work))

const upload = (bench: Bench) =>
  withHub(bench, (hub, dir) => {
    const measure: Measure = async () => {
      const file = await make(bench, dir)
      const took = await speed(file, () => uploadXet(hub, REPOSITORY, file))
      await rm(file.path)
      return took
    }
    return compare({ hub: measure }, { runs: bench.runs, warmUp: false })
  })

const download = (bench: Bench) =>
  withHub(bench, async (hub, dir) => {
    const file = await make(bench, dir)
    await uploadXet(hub, REPOSITORY, file)
    return compare({ hub: () => speed(file, () => downloadXet(hub, REPOSITORY, file)) }, bench)
  })

const plain = (bench: Bench) =>
  withHub(bench, async (hub, dir) => {
    const file = await make(bench, dir)
    await uploadXet(hub, REPOSITORY, file)
    seed += 1
    const raw = describeNoise(sizeOf(bench), seed)
    await uploadLfs(hub.lfs(REPOSITORY), raw, noiseStream(raw.size, seed))
    const sides: Record<string, Measure> = {
      hub: () => speed(file, () => downloadLfs(hub.lfs(REPOSITORY), file.object)),
      'stored raw': () => speed(file, () => downloadLfs(hub.lfs(REPOSITORY), raw)),
    }
    return compare(sides, bench)
  })

const memory = (bench: Bench) =>
  withHub(bench, async (hub, dir) => {
    const files: XetFile[] = []
    while (files.length < TRANSFERS) files.push(await make(bench, dir))
    const [up, down] = [files.slice(0, TRANSFERS / 2), files.slice(TRANSFERS / 2)]
    for (const file of down) await uploadXet(hub, REPOSITORY, file)
    hub.memory.take()
    await Promise.all([
      ...up.map((it) => uploadXet(hub, REPOSITORY, it)),
      ...down.map((it) => downloadXet(hub, REPOSITORY, it)),
    ])
    return { hub: [hub.memory.take().hubMB] }
  })

export const xetRows: Row[] = [
  {
    name: 'xet-upload',
    what: 'one large new file by the Xet route (xorbs, shard, all hashes and the SHA-256 verified)',
    unit: 'MB/s',
    against: {},
    limit: 150,
    run: upload,
  },
  {
    name: 'xet-download',
    what: 'one large file by the Xet route (reconstruction, ranges of xorbs)',
    unit: 'MB/s',
    against: {},
    limit: 400,
    run: download,
  },
  {
    name: 'xet-plain',
    what: 'one large file that is stored in chunks, by a plain GET, against one that is stored raw',
    unit: 'MB/s',
    against: { 'stored raw': 0.7 },
    run: plain,
  },
  {
    name: 'xet-memory',
    what: 'peak RSS of the hub during 4 uploads and 4 downloads at once by the Xet route',
    unit: 'MB',
    against: {},
    limit: 400,
    run: memory,
  },
]
