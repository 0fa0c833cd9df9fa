import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Apache } from '../servers/apache.js'
import type { Hub } from '../servers/hub.js'
import type { Nginx } from '../servers/nginx.js'
import type { SoftServe } from '../servers/soft-serve.js'
import { copyInto } from './copy-into.js'
import type { Git } from './git.js'
import { run } from './process.js'

/** Servers that the hub is shown beside in every git row, nothing being asked; a row may ask something of one of them. */
export const gitPeers = {
  'http-backend': undefined,
  'http-backend+bitmaps': undefined,
  apache: undefined,
  'soft-serve': undefined,
} as const

/** Where git rows are measured: one server that holds copies of the same repositories. */
export interface GitSide {
  readonly name: string
  readonly origin: string
  /** Path of a repository's smart HTTP endpoint, without a trailing slash. */
  path(repository: string): string
  /** What a real git client is given. */
  remote(repository: string): string
  readonly headers: Readonly<Record<string, string>>
  /** Puts a copy of a generated repository there. */
  seed(repository: string, source: Source): Promise<void>
  /** Makes an empty repository to push to. */
  create(repository: string): Promise<void>
}

export interface Source {
  readonly plain: string
  readonly withBitmaps: string
}

/** The repacking that follows a push has begun by then. */
const AFTER_PUSH_MS = 8_000

/** `onDisk`: seeded below the hub, not pushed: git itself needs hours to push 100,000 refs over HTTP (it is quadratic). */
export function hubSide(hub: Hub, git: Git, { onDisk }: { onDisk: boolean }): GitSide {
  const path = (repository: string) => `/${hub.id(repository)}.git`
  const remote = (repository: string) => hub.withToken(hub.url + path(repository))
  return {
    name: 'hub',
    origin: hub.url,
    path,
    remote,
    headers: hub.basic,
    async create(repository) {
      await hub.createRepository(repository)
    },
    async seed(repository, source) {
      const dir = await hub.createRepository(repository)
      if (onDisk) {
        await copyInto(dir, source.plain)
        // the first access finds that the refs have changed and takes them in
        await git.run(['ls-remote', '-q', remote(repository), 'HEAD'])
        return hub.settle()
      }
      const refs = ['refs/heads/*:refs/heads/*', 'refs/tags/*:refs/tags/*']
      await git.run(['push', '-q', remote(repository), ...refs], { cwd: source.plain })
      await hub.settle({ quietMs: AFTER_PUSH_MS })
    },
  }
}

interface Backend {
  readonly url: string
  readonly gitRoot: string
}

function backendSide(
  git: Git,
  name: string,
  { url, gitRoot }: Backend,
  fill: (dir: string, source: Source) => Promise<void>,
  handOver: (dir: string) => Promise<unknown> = async () => {},
): GitSide {
  const folder = name.replace(/\W+/g, '-')
  const path = (repository: string) => `/git/${folder}/${repository}.git`
  const dirOf = async (repository: string) => {
    await mkdir(join(gitRoot, folder), { recursive: true })
    return join(gitRoot, folder, `${repository}.git`)
  }
  return {
    name,
    origin: url,
    path,
    remote: (repository) => url + path(repository),
    headers: {},
    async seed(repository, source) {
      const dir = await dirOf(repository)
      await fill(dir, source)
      await allowPush(git, dir)
      await handOver(dir)
    },
    async create(repository) {
      const dir = await dirOf(repository)
      await git.run(['init', '-q', '--bare', dir])
      await allowPush(git, dir)
      await handOver(dir)
    },
  }
}

async function copyTo(git: Git, dir: string, from: string, links: boolean): Promise<void> {
  const local = links ? '--local' : '--no-hardlinks'
  await git.run(['clone', '-q', '--mirror', local, from, dir])
}

/** Hooks are what a bare `git init` leaves: none that run. */
async function allowPush(git: Git, dir: string): Promise<void> {
  await git.run(['config', 'http.receivepack', 'true'], { cwd: dir })
  // A plain server that repacks itself in the middle of a row would only be slower.
  await git.run(['config', 'receive.autogc', 'false'], { cwd: dir })
}

export function httpBackendSides(nginx: Nginx, git: Git): GitSide[] {
  return [
    backendSide(git, 'http-backend', nginx, (dir, { plain }) => copyTo(git, dir, plain, true)),
    backendSide(git, 'http-backend+bitmaps', nginx, (dir, { withBitmaps }) =>
      copyTo(git, dir, withBitmaps, true),
    ),
  ]
}

export function apacheSide(apache: Apache, git: Git): GitSide {
  // Apache's account has to own what git serves and writes there.
  const handOver = async (dir: string) => {
    if (process.getuid?.() === 0) await run('chown', ['-R', 'www-data:www-data', dir])
  }
  const fill = (dir: string, { plain }: Source) => copyTo(git, dir, plain, false)
  return backendSide(git, 'apache', apache, fill, handOver)
}

export function softServeSide(softServe: SoftServe, git: Git): GitSide {
  const path = (repository: string) => `/${repository}.git`
  return {
    name: 'soft-serve',
    origin: softServe.url,
    path,
    remote: (repository) => softServe.url + path(repository),
    headers: {},
    async seed(repository, { plain }) {
      await allowPush(git, await softServe.copy(repository, plain))
    },
    async create(repository) {
      await allowPush(git, await softServe.create(repository))
    },
  }
}
