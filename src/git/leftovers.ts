import { lstat, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { hasEnded, isOfThisMachine } from '../lib/process-instance.js'
import { settleReplacement } from './replace-refs.js'
import { pushesInFlight } from './service.js'
import { UPKEEP_LOCK } from './upkeep.js'

/*
 * What a git that was killed leaves in a bare repository:
 *   HEAD.lock config.lock packed-refs.lock packed-refs.new refs/**.lock    block every later change of that file
 *   objects/tmp_objdir-incoming-*                                          quarantine of a push
 *   objects/pack/tmp_* objects/pack/.tmp-* objects/??/tmp_obj_*            objects half written
 *   objects/info/commit-graphs/*.lock objects/pack/multi-pack-index.lock   upkeep
 *   fast_import_crash_<pid> gc.pid shallow.lock                            reports and markers
 *   packhorse-gone-*                                                       refs that were replaced, see replace-refs.ts
 */
const IN_REPOSITORY =
  /^(.+\.lock|packed-refs\.new|fast_import_crash_\d+|gc\.pid|packhorse-gone-.+)$/
const REPLACED = /\/packhorse-gone-[^/]+$/
const IN_OBJECTS = /^tmp_objdir-/
const IN_PACK = /^(tmp_|\.tmp-|.+\.lock$)/
const IN_FANOUT = /^tmp_obj_/
const IN_INFO = /^(.+\.lock|tmp_.+|.+\.tmp)$/

/** These write nothing; our own `cat-file` readers stay for minutes. */
const READER =
  /\0(cat-file|upload-pack|rev-list|diff-tree|ls-tree|log|merge-base|check-attr|fsck)\0/

interface Mark {
  readonly mark: string
  readonly changedAt: number
}

/** Younger files may belong to a git that was started while we looked. */
const SETTLED_MS = 1_000

/**
 * Removes what dead processes left in a repository. Nothing is touched while any process of this machine works in the
 * repository, ours or not: it may be the owner. Answers how many such files stay, to be looked at again later.
 */
export async function sweepRepository(directory: string): Promise<number> {
  const found = await findLeftovers(directory)
  if (found.length === 0) return 0
  // our own pushes and commits leave marks, see service.ts
  const used = (await pushesInFlight(directory)) > 0 || (await isInUse(directory))
  const isSame = async ({ path, mark, changedAt }: (typeof found)[number]) =>
    (await markOf(path))?.mark === mark && Date.now() - changedAt >= SETTLED_MS
  for (const it of found.filter(({ path }) => REPLACED.test(path))) {
    // its locks keep others out until it is settled
    if (used || !(await isSame(it))) return found.length
    await settleReplacement(directory, it.path)
  }
  let left = 0
  for (const { path, mark, changedAt } of found) {
    const now = await markOf(path)
    if (!now) continue
    // the same file as before the look at the processes: nobody else could make it anew while it existed
    if (used || now.mark !== mark || Date.now() - changedAt < SETTLED_MS) left += 1
    else await rm(path, { recursive: true, force: true })
  }
  return left
}

async function findLeftovers(directory: string): Promise<(Mark & { path: string })[]> {
  const objects = join(directory, 'objects')
  const paths = [
    ...(await matching(directory, IN_REPOSITORY)),
    ...(await locksBelow(join(directory, 'refs'))),
    ...(await matching(join(objects, 'pack'), IN_PACK)),
    ...(await matching(join(objects, 'info'), IN_INFO)),
    ...(await matching(join(objects, 'info/commit-graphs'), IN_INFO)),
  ]
  for (const name of await names(objects))
    if (IN_OBJECTS.test(name)) paths.push(join(objects, name))
    else if (/^[0-9a-f]{2}$/.test(name))
      paths.push(...(await matching(join(objects, name), IN_FANOUT)))
  const found: (Mark & { path: string })[] = []
  for (const path of paths) {
    const it = (await isOfUpkeep(path)) ? undefined : await markOf(path)
    if (it) found.push({ path, ...it })
  }
  return found
}

/** Between two gits of an upkeep nobody is at work, and a dead one's lock is for the next to take over: see process-lock.ts. */
async function isOfUpkeep(path: string): Promise<boolean> {
  if (!path.includes(`/${UPKEEP_LOCK}`)) return false
  const owner = await readFile(path, 'utf8').catch(() => '')
  const isLock = !path.includes(owner)
  return isOfThisMachine(owner) && (isLock || !hasEnded(owner))
}

async function matching(directory: string, pattern: RegExp): Promise<string[]> {
  return (await names(directory)).filter((it) => pattern.test(it)).map((it) => join(directory, it))
}

async function locksBelow(directory: string): Promise<string[]> {
  const locks: string[] = []
  for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => []))
    if (entry.isDirectory()) locks.push(...(await locksBelow(join(directory, entry.name))))
    else if (entry.name.endsWith('.lock')) locks.push(join(directory, entry.name))
  return locks
}

async function names(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => [])
}

async function markOf(path: string): Promise<Mark | undefined> {
  const it = await lstat(path, { bigint: true }).catch(() => undefined)
  return it && { mark: `${it.ino}:${it.ctimeNs}`, changedAt: Number(it.ctimeNs / 1_000_000n) }
}

/** Whether a git, or a hook of one, of any user of this machine is at work in the repository. */
async function isInUse(directory: string): Promise<boolean> {
  const pids = (await names('/proc')).filter((it) => /^\d+$/.test(it))
  if (pids.length === 0) return true // no /proc: nothing is known
  const name = directory.slice(directory.lastIndexOf('/') + 1)
  for (const pid of pids) {
    if (Number(pid) === process.pid) continue
    const command = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')
    if (!/(^|\/)git|hooks\//.test(command) || READER.test(command)) continue
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '')
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')
    if (cwd.includes(name) || command.includes(name) || environment.includes(name)) return true
  }
  return false
}
