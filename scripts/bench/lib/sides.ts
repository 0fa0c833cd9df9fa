import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Apache } from '../servers/apache.js'
import type { Hub } from '../servers/hub.js'
import type { Nginx } from '../servers/nginx.js'
import type { Git } from './git.js'
import { run } from './process.js'

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
}

export interface Source {
  readonly plain: string
  readonly withBitmaps: string
}

export function hubSide(hub: Hub, git: Git): GitSide {
  const path = (repository: string) => `/${hub.id(repository)}.git`
  const remote = (repository: string) => hub.withToken(hub.url + path(repository))
  return {
    name: 'hub',
    origin: hub.url,
    path,
    remote,
    headers: hub.basic,
    async seed(repository, source) {
      await hub.createRepository(repository)
      const refs = ['refs/heads/*:refs/heads/*', 'refs/tags/*:refs/tags/*']
      await git.run(['push', '-q', remote(repository), ...refs], { cwd: source.plain })
      await hub.settle()
    },
  }
}

interface Backend {
  readonly url: string
  readonly gitRoot: string
}

function backendSide(
  name: string,
  { url, gitRoot }: Backend,
  seed: (dir: string, source: Source) => Promise<void>,
): GitSide {
  const folder = name.replace(/\W+/g, '-')
  const path = (repository: string) => `/git/${folder}/${repository}.git`
  return {
    name,
    origin: url,
    path,
    remote: (repository) => url + path(repository),
    headers: {},
    async seed(repository, source) {
      await mkdir(join(gitRoot, folder), { recursive: true })
      await seed(join(gitRoot, folder, `${repository}.git`), source)
    },
  }
}

/** Hooks are what a bare `git init` leaves: none that run. */
async function copyTo(git: Git, dir: string, from: string, links: boolean): Promise<void> {
  const local = links ? '--local' : '--no-hardlinks'
  await git.run(['clone', '-q', '--mirror', local, from, dir])
  await git.run(['config', 'http.receivepack', 'true'], { cwd: dir })
  // A plain server that repacks itself in the middle of a row would only be slower.
  await git.run(['config', 'receive.autogc', 'false'], { cwd: dir })
}

export function httpBackendSides(nginx: Nginx, git: Git): GitSide[] {
  return [
    backendSide('http-backend', nginx, (dir, source) => copyTo(git, dir, source.plain, true)),
    backendSide('http-backend+bitmaps', nginx, (dir, source) =>
      copyTo(git, dir, source.withBitmaps, true),
    ),
  ]
}

export function apacheSide(apache: Apache, git: Git): GitSide {
  return backendSide('apache', apache, async (dir, source) => {
    await copyTo(git, dir, source.plain, false)
    // Apache's account has to own what git serves and writes there.
    if (process.getuid?.() === 0) await run('chown', ['-R', 'www-data:www-data', dir])
  })
}
