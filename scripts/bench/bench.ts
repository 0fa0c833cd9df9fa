/** What the rows are given: the servers, the generated data, a place for temporary files. */
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Closer } from '../../src/lib/closer.js'
import { cachedRepository, cachedWithBitmaps } from './generate/cache.js'
import type { RepositorySize } from './generate/repository.js'
import { exists } from './lib/exists.js'
import { Git } from './lib/git.js'
import type { Missing } from './lib/row.js'
import {
  apacheSide,
  type GitSide,
  httpBackendSides,
  hubSide,
  type Source,
  softServeSide,
} from './lib/sides.js'
import type { Options } from './options.js'
import { startApache } from './servers/apache.js'
import { Hub } from './servers/hub.js'
import { startLfsFloor } from './servers/lfs-floor.js'
import {
  LFS_FLOOR,
  LFS_PEERS,
  type LfsPeer,
  softServeLfs,
  startLfsPeer,
} from './servers/lfs-peers.js'
import { type Nginx, startNginx } from './servers/nginx.js'
import { Replay } from './servers/replay.js'
import { SoftServe } from './servers/soft-serve.js'

const root = join(import.meta.dirname, '../..')
const CACHE = join(root, '.cache/bench')
const PEERS = join(root, '.cache/peers')

export class Bench {
  readonly options: Options
  readonly dir: string
  readonly git: Git
  readonly nginx: Nginx
  readonly hub: Hub | undefined
  readonly sides: readonly GitSide[]
  readonly softServe: SoftServe | undefined
  readonly #seeded = new Map<string, Promise<void>>()
  readonly #lfsPeers = new Map<string, Promise<LfsPeer | Missing>>()
  readonly #closer: Closer
  #replay: Promise<Replay> | undefined

  private constructor(
    closer: Closer,
    made: Pick<Bench, 'options' | 'dir' | 'git' | 'nginx' | 'hub' | 'sides' | 'softServe'>,
  ) {
    this.#closer = closer
    this.options = made.options
    this.dir = made.dir
    this.git = made.git
    this.nginx = made.nginx
    this.hub = made.hub
    this.sides = made.sides
    this.softServe = made.softServe
  }

  static async open(options: Options, closer: Closer): Promise<Bench> {
    const dir = await mkdtemp(join(options.tmp ?? tmpdir(), 'packhorse-bench-'))
    closer.add(dir, (it) => rm(it, { recursive: true, force: true, maxRetries: 3 }))
    await chmod(dir, 0o711) // Apache's account has to get through to its repositories
    const git = await Git.open(dir)
    const httpBackend = join((await git.run(['--exec-path'])).stdout.trim(), 'git-http-backend')
    const nginx = closer.add(await startNginx(join(dir, 'nginx'), httpBackend), (it) => it.stop())
    const apache = await startApache(join(dir, 'apache'), httpBackend)
    if (apache) closer.add(apache, (it) => it.stop())
    const softServe = await SoftServe.start(join(PEERS, 'soft-serve'), join(dir, 'soft-serve'))
    if (softServe) closer.add(softServe, (it) => it.stop())
    const hub = options.peersOnly ? undefined : await startHub(options, join(dir, 'hub'))
    if (hub) closer.add(hub, (it) => it.stop())
    const all = [
      ...(hub ? [hubSide(hub, git, { onDisk: options.grow.length > 0 })] : []),
      ...httpBackendSides(nginx, git),
      ...(apache ? [apacheSide(apache, git)] : []),
      ...(softServe ? [softServeSide(softServe, git)] : []),
    ]
    const sides = all.filter(({ name }) => name === 'hub' || isWanted(options, name))
    return new Bench(closer, { options, dir, git, nginx, hub, sides, softServe })
  }

  get runs(): number {
    return this.options.runs
  }

  get full(): boolean {
    return this.options.scale === 'full'
  }

  /** A new directory below the bench's own; the row removes it when it is large. */
  async folder(name: string): Promise<string> {
    await mkdir(join(this.dir, 'work'), { recursive: true })
    return mkdtemp(join(this.dir, 'work', `${name}-`))
  }

  async source(size: RepositorySize = this.options.repository): Promise<Source> {
    const plain = await cachedRepository(this.git, CACHE, size)
    // the side that wants bitmaps is not measured at every size
    if (this.options.grow.length > 0) return { plain, withBitmaps: plain }
    return { plain, withBitmaps: await cachedWithBitmaps(this.git, CACHE, size) }
  }

  /** Makes sure that a side holds the repository; the first row that needs it pays outside its clock. */
  async seeded(side: GitSide, repository: string, size?: RepositorySize): Promise<void> {
    const key = `${side.name} ${repository}`
    const seeding =
      this.#seeded.get(key) ?? this.source(size).then((source) => side.seed(repository, source))
    this.#seeded.set(key, seeding)
    await seeding
  }

  /** One of the LFS servers of peers.sh, started when first asked for. */
  lfsPeer(name: string): Promise<LfsPeer | Missing> {
    const found = this.#lfsPeers.get(name)
    if (found) return found
    const starting = this.#startLfsPeer(name).then(
      (peer) =>
        peer
          ? this.#closer.add(peer, (it) => it.stop())
          : { missing: 'skipped: not installed (peers.sh)' },
      (error: Error) => ({ missing: `skipped: ${error.message.split('\n')[0]}` }),
    )
    this.#lfsPeers.set(name, starting)
    return starting
  }

  /** In front of the hub, or of the first peer where there is no hub. */
  replay(): Promise<Replay> {
    const side = this.sides[0]
    if (!side) throw new Error('no side to record')
    this.#replay ??= Replay.start(side.origin).then((it) => this.#closer.add(it, () => it.stop()))
    return this.#replay
  }

  async #startLfsPeer(name: string): Promise<LfsPeer | undefined> {
    if (name === LFS_FLOOR) return startLfsFloor()
    if (name !== 'soft-serve') return startLfsPeer(name, PEERS, this.dir)
    return this.softServe && softServeLfs(this.softServe)
  }

  /** Peers without a column in this run, with the reason. */
  async skippedPeers(): Promise<string[]> {
    if (this.options.grow.length > 0) return []
    const skipped: string[] = []
    if (!this.sides.some(({ name }) => name === 'apache')) {
      skipped.push('apache: not installed (peers.sh)')
    }
    for (const name of LFS_PEERS) {
      if (!(await exists(join(PEERS, name)))) skipped.push(`${name}: not installed (peers.sh)`)
    }
    return skipped
  }

  get lfsPeerNames(): readonly string[] {
    return LFS_PEERS.filter((it) => isWanted(this.options, it))
  }
}

function isWanted({ peers }: Options, name: string): boolean {
  return peers?.includes(name) ?? true
}

async function startHub(options: Options, data: string): Promise<Hub> {
  const main = options.hub ? resolve(options.hub) : join(root, 'dist/main.js')
  if (!(await exists(main))) {
    throw new Error(`${main} is missing: run npm run build first, or use --peers-only`)
  }
  await mkdir(data, { recursive: true })
  return Hub.start(main, data, options.hubArgs)
}
