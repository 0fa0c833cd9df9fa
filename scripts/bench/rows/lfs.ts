import { createReadStream } from 'node:fs'
import { link, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bench } from '../bench.js'
import { writeNoise } from '../generate/lfs-file.js'
import { compare, type Measure, seconds, whyMissing } from '../lib/compare.js'
import { askOnce, expectOk } from '../lib/connection.js'
import { downloadLfs, type LfsEndpoint, type LfsObject, uploadLfs } from '../lib/lfs-client.js'
import { run } from '../lib/process.js'
import type { Figures, Missing, Row } from '../lib/row.js'
import { MB } from '../lib/stats.js'

const REPOSITORY = 'lfs-large'
const READ_SIZE = 1024 * 1024

const sizeOf = (bench: Bench) => (bench.full ? 2_000 * MB : 64 * MB)

async function ensureRepository(bench: Bench): Promise<void> {
  const side = bench.sides.find(({ name }) => name === 'hub')
  // An LFS repository needs no git history: the smallest one will do.
  const tiny = { commits: 1, files: 1, filesPerCommit: 0, blobBytes: 100, refs: 0, seed: 3 }
  if (side) await bench.seeded(side, REPOSITORY, tiny)
}

/** One file at a time on disk: a new one for each round, the same for every side of that round. */
class Files {
  readonly #bench: Bench
  #round = Date.now()
  path = ''
  object: LfsObject = { oid: '', size: 0 }

  constructor(bench: Bench) {
    this.#bench = bench
  }

  async next(): Promise<void> {
    await this.remove()
    this.#round += 1
    this.path = join(await this.#bench.folder('lfs'), 'object.bin')
    this.object = await writeNoise(this.path, sizeOf(this.#bench), this.#round)
  }

  async remove(): Promise<void> {
    if (this.path) await rm(this.path, { force: true })
  }
}

const peers = { rudolfs: undefined, giftless: undefined, 'soft-serve': undefined }

/** The LFS servers of peers.sh, measured by the same client; their disks are emptied when the row has ended. */
async function onPeers(
  bench: Bench,
  measured: (at: LfsEndpoint) => Promise<Measure> | Measure,
): Promise<Record<string, Measure | Missing>> {
  const found: Record<string, Measure | Missing> = {}
  for (const name of bench.lfsPeerNames) {
    const peer = await bench.lfsPeer(name)
    if ('missing' in peer) found[name] = peer
    else
      found[name] = await peer
        .lfsUrl(REPOSITORY)
        .then((url) => measured({ url, headers: {} }))
        .catch(whyMissing)
  }
  return found
}

async function forgetOnPeers(bench: Bench): Promise<void> {
  for (const name of bench.lfsPeerNames) {
    const peer = await bench.lfsPeer(name)
    if (!('missing' in peer)) await peer.clearObjects()
  }
}

async function upload(bench: Bench): Promise<Figures> {
  await ensureRepository(bench)
  const files = new Files(bench)
  const { hub } = bench
  const speed = (took: number) => files.object.size / MB / took
  const up = (at: LfsEndpoint) => async () => {
    const body = createReadStream(files.path, { highWaterMark: READ_SIZE })
    return speed(await seconds(() => uploadLfs(at, files.object, body)))
  }
  const sides: Record<string, Measure | Missing> = {
    // First in each round, so it also brings the new file.
    sha256sum: async () => {
      await forgetOnPeers(bench)
      await files.next()
      return speed((await run('sha256sum', [files.path])).seconds)
    },
    'openssl sha256': async () => {
      const { seconds } = await run('openssl', ['dgst', '-sha256', files.path])
      return speed(seconds)
    },
    'dd+fsync': async () => {
      const copy = `${files.path}.copy`
      const { seconds } = await run('dd', [`if=${files.path}`, `of=${copy}`, 'bs=1M', 'conv=fsync'])
      await rm(copy)
      return speed(seconds)
    },
  }
  if (hub) sides.hub = up(hub.lfs(REPOSITORY))
  const figures = await compare({ ...sides, ...(await onPeers(bench, up)) }, bench)
  await forgetOnPeers(bench)
  await files.remove()
  return figures
}

async function download(bench: Bench): Promise<Figures> {
  await ensureRepository(bench)
  const files = new Files(bench)
  await files.next()
  const { hub, nginx } = bench
  const { path, object } = files
  const served = join(nginx.staticRoot, 'object.bin')
  await rm(served, { force: true })
  await link(path, served)
  const speed = async (work: () => Promise<unknown>) => object.size / MB / (await seconds(work))
  const ask = { path: '/static/object.bin' }
  const sides: Record<string, Measure> = {
    'nginx static': () =>
      speed(async () => {
        const { bytes } = expectOk(await askOnce(nginx.url, ask), ask)
        if (bytes !== object.size) throw new Error(`nginx sent ${bytes} of ${object.size} bytes`)
      }),
  }
  const down = async (at: LfsEndpoint): Promise<Measure> => {
    await uploadLfs(at, object, createReadStream(path, { highWaterMark: READ_SIZE }))
    return () => speed(() => downloadLfs(at, object))
  }
  if (hub) sides.hub = await down(hub.lfs(REPOSITORY))
  const figures = await compare({ ...sides, ...(await onPeers(bench, down)) }, bench)
  await forgetOnPeers(bench)
  await rm(served)
  await files.remove()
  return figures
}

export const lfsRows: Row[] = [
  {
    name: 'lfs-download',
    what: 'one large LFS object down (batch + GET), against the same file from nginx',
    unit: 'MB/s',
    against: { 'nginx static': 0.85, ...peers },
    run: download,
  },
  {
    name: 'lfs-upload',
    what: 'one large new LFS object up (batch + PUT + verify), against hashing the file',
    unit: 'MB/s',
    against: { sha256sum: 0.75, 'openssl sha256': undefined, 'dd+fsync': undefined, ...peers },
    run: upload,
  },
]
