import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { HubError } from '../domain/errors.js'
import { withProcessLock } from '../lib/process-lock.js'
import { runGit } from './spawn.js'

/** Its file name in the repository, and the start of those that come and go with it. */
export const UPKEEP_LOCK = 'packhorse-upkeep.lock'

/** Packs what refs reach into one pack with a bitmap and drops everything else, at once: the caller keeps writers out. */
export async function prune(directory: string): Promise<void> {
  await alone(directory, async () => {
    await runGit('pack-refs', ['--all', '--prune'], { cwd: directory })
    await runGit('repack', ['-a', '-d', '-l', '-q', '--write-bitmap-index'], { cwd: directory })
    await runGit('prune', ['--expire=now'], { cwd: directory })
    await runGit('commit-graph', ['write', '--reachable'], { cwd: directory })
  })
}

/**
 * One repacking at a time, whichever process does it: two would take each other's packs away. Throws `busy` while
 * another is at work.
 */
async function alone(directory: string, task: () => Promise<void>): Promise<void> {
  if (!(await withProcessLock(join(directory, UPKEEP_LOCK), task)))
    throw new HubError('busy', 'this repository is being repacked')
}

const LOOSE_REFS = 200
const LOOSE_OBJECTS = 300
const PACKS = 12
/** Packs below this many bytes are walked as fast as a bitmap is read. */
const BITMAP_BYTES = 1024 * 1024
/** Part of the packed bytes that may be outside the bitmap: a clone walks what it does not cover. */
const UNCOVERED = 0.1

/**
 * After pushes: few loose refs, few packs in a geometric progression (so that the large ones are not written anew), one
 * index and one bitmap over all of them, a commit-graph. Safe beside fetches and pushes, which look again for a pack that
 * went away; nothing unreachable is dropped, and nothing that a push still keeps in its quarantine is seen. What takes long
 * runs at low priority.
 */
export async function maintain(directory: string): Promise<void> {
  const it = await measure(directory)
  if (!needsPackRefs(it) && !needsRepack(it)) return
  const options = { cwd: directory, background: true }
  await alone(directory, async () => {
    // not behind everything else: it is short, and until its last file is gone every look at the refs reads them all again
    if (needsPackRefs(it)) await runGit('pack-refs', ['--all', '--prune'], { cwd: directory })
    if (!needsRepack(it)) return
    const format = ['--geometric=2', '--write-midx', '--write-bitmap-index']
    await runGit('repack', ['-d', '-l', '-q', ...format], options)
    await runGit('commit-graph', ['write', '--reachable', '--changed-paths', '--split'], options)
  })
}

/** Whether `maintain` would do anything. */
export async function needsMaintenance(directory: string): Promise<boolean> {
  const it = await measure(directory)
  return needsPackRefs(it) || needsRepack(it)
}

function needsPackRefs({ looseRefs }: RepositoryShape): boolean {
  return looseRefs > LOOSE_REFS
}

function needsRepack(it: RepositoryShape): boolean {
  return (
    it.looseObjects > LOOSE_OBJECTS ||
    it.packs > PACKS ||
    it.uncoveredBytes > Math.max(BITMAP_BYTES, it.packBytes * UNCOVERED)
  )
}

interface RepositoryShape {
  readonly looseRefs: number
  readonly looseObjects: number
  readonly packs: number
  readonly packBytes: number
  /** Of packs that came after the bitmap; all of them without one. */
  readonly uncoveredBytes: number
}

async function measure(directory: string): Promise<RepositoryShape> {
  const objects = join(directory, 'objects')
  const files = await names(join(objects, 'pack'))
  const statOf = async (name: string) => stat(join(objects, 'pack', name)).catch(() => undefined)
  const bitmaps = await Promise.all(files.filter((it) => it.endsWith('.bitmap')).map(statOf))
  const bitmapAt = Math.max(0, ...bitmaps.map((it) => it?.mtimeMs ?? 0))
  const packs = await Promise.all(files.filter((it) => it.endsWith('.pack')).map(statOf))
  const bytes = (of: typeof packs) => of.reduce((sum, it) => sum + (it?.size ?? 0), 0)
  return {
    looseRefs: await countFiles(join(directory, 'refs')),
    // git's own estimate: objects spread evenly over 256 directories
    looseObjects: (await names(join(objects, '17'))).length * 256,
    packs: packs.length,
    packBytes: bytes(packs),
    uncoveredBytes: bytes(packs.filter((it) => (it?.mtimeMs ?? 0) > bitmapAt)),
  }
}

async function countFiles(path: string): Promise<number> {
  let count = 0
  for (const entry of await readdir(path, { withFileTypes: true }).catch(() => []))
    count += entry.isDirectory() ? await countFiles(join(path, entry.name)) : 1
  return count
}

async function names(path: string): Promise<string[]> {
  return readdir(path).catch(() => [])
}

/** Bytes of packs and loose objects below an object directory. */
export async function bytesUnder(objects: string): Promise<number> {
  let total = 0
  for (const name of await names(objects)) {
    if (!/^([0-9a-f]{2}|pack)$/.test(name)) continue
    for (const file of await names(join(objects, name)))
      total += await stat(join(objects, name, file)).then(
        (it) => it.size,
        () => 0,
      )
  }
  return total
}

export async function fsck(directory: string): Promise<string[]> {
  const { code, stdout, stderr } = await runGit(
    'fsck',
    ['--full', '--no-dangling', '--no-progress'],
    { cwd: directory, okCodes: [0, 1, 2, 3, 4, 8, 128] },
  )
  const lines = `${stdout.toString()}${stderr}`.split('\n').filter((it) => it !== '')
  return code === 0
    ? lines.filter((it) => !/^(notice|warning)/.test(it))
    : [...lines, `exit ${code}`]
}
