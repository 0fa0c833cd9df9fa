import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { exists } from '../lib/exists.js'
import type { Git } from '../lib/git.js'
import { fastImportStream, type RepositorySize } from './repository.js'

/** A change of the generator that changes its output changes this number. */
const GENERATION = 1

function keyOf(size: RepositorySize): string {
  const { commits, files, filesPerCommit, blobBytes, refs, seed } = size
  return `repo-v${GENERATION}-c${commits}-f${files}x${filesPerCommit}-b${blobBytes}-r${refs}-s${seed}`
}

/** The generated bare repository; made once per set of parameters and never written to again. */
export async function cachedRepository(
  git: Git,
  cache: string,
  size: RepositorySize,
): Promise<string> {
  return madeOnce(join(cache, `${keyOf(size)}.git`), async (dir) => {
    await git.run(['init', '-q', '--bare', '-b', 'main', dir])
    await fastImport(git, dir, size)
    await git.run(['-c', 'repack.writeBitmaps=false', 'repack', '-adq'], { cwd: dir })
    await git.run(['pack-refs', '--all'], { cwd: dir })
  })
}

/** The same with the bitmaps that a careful operator of a plain server would have. */
export async function cachedWithBitmaps(
  git: Git,
  cache: string,
  size: RepositorySize,
): Promise<string> {
  const source = await cachedRepository(git, cache, size)
  return madeOnce(join(cache, `${keyOf(size)}-bitmaps.git`), async (dir) => {
    await git.run(['clone', '-q', '--mirror', '--local', source, dir])
    await git.run(['repack', '-adbq'], { cwd: dir })
    await git.run(['commit-graph', 'write', '--reachable'], { cwd: dir })
  })
}

async function madeOnce(path: string, make: (dir: string) => Promise<void>): Promise<string> {
  if (await exists(path)) return path
  const parent = join(path, '..')
  await mkdir(parent, { recursive: true })
  const making = await mkdtemp(join(parent, 'making-'))
  try {
    await make(making)
    await rename(making, path)
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return path
}

async function fastImport(git: Git, dir: string, size: RepositorySize): Promise<void> {
  const child = spawn('git', ['fast-import', '--quiet', '--depth=50'], {
    cwd: dir,
    env: git.env,
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const ended = once(child, 'close')
  await pipeline(Readable.from(batched(fastImportStream(size))), child.stdin)
  const [code] = await ended
  if (code !== 0) throw new Error(`git fast-import ended with ${code}`)
}

/** Fewer, larger writes: one per record would spend the time in system calls. */
function* batched(stream: Iterable<Buffer>): Generator<Buffer> {
  let held: Buffer[] = []
  let size = 0
  for (const piece of stream) {
    held.push(piece)
    size += piece.length
    if (size < 256 * 1024) continue
    yield Buffer.concat(held)
    held = []
    size = 0
  }
  yield Buffer.concat(held)
}

/** The one pack of a cached repository: as bytes for the static server, and to know the size. */
export async function packOf(repository: string): Promise<{ path: string; bytes: number }> {
  const dir = join(repository, 'objects/pack')
  const name = (await readdir(dir)).find((entry) => entry.endsWith('.pack'))
  if (!name) throw new Error(`${repository} has no pack`)
  return { path: join(dir, name), bytes: (await stat(join(dir, name))).size }
}
