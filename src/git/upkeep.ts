import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { runGit } from './spawn.js'

/** Packs what refs reach into one pack with a bitmap and drops everything else, at once: the caller keeps writers out. */
export async function prune(directory: string): Promise<void> {
  await runGit('pack-refs', ['--all', '--prune'], { cwd: directory })
  await runGit('repack', ['-a', '-d', '-l', '-q', '--write-bitmap-index'], { cwd: directory })
  await runGit('prune', ['--expire=now'], { cwd: directory })
  await runGit('commit-graph', ['write', '--reachable'], { cwd: directory })
}

const LOOSE_REFS = 200
const LOOSE_OBJECTS = 300
const PACKS = 12

/** After pushes: few loose refs, few packs, a commit-graph. Safe beside fetches and pushes; nothing unreachable is dropped. */
export async function maintain(directory: string): Promise<void> {
  const it = await measure(directory)
  if (it.looseRefs > LOOSE_REFS) await runGit('pack-refs', ['--all', '--prune'], { cwd: directory })
  if (it.looseObjects > LOOSE_OBJECTS || it.packs > PACKS) {
    await runGit('repack', ['-d', '-l', '-q', '--geometric=2', '--write-midx'], { cwd: directory })
    await runGit('commit-graph', ['write', '--reachable', '--changed-paths', '--split'], {
      cwd: directory,
    })
  }
}

async function measure(
  directory: string,
): Promise<{ looseRefs: number; looseObjects: number; packs: number }> {
  const objects = join(directory, 'objects')
  const packs = (await names(join(objects, 'pack'))).filter((it) => it.endsWith('.pack')).length
  // git's own estimate: objects spread evenly over 256 directories
  const looseObjects = (await names(join(objects, '17'))).length * 256
  return { looseRefs: await countFiles(join(directory, 'refs')), looseObjects, packs }
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
