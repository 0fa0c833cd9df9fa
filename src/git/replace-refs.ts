import { link, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HubError } from '../domain/errors.js'
import type { RefSnapshot } from '../domain/ports.js'
import { isRefName } from '../domain/refs/ref-names.js'
import type { GitOid } from '../domain/types.js'
import { newId } from '../lib/ids.js'
import { mapLimited } from '../lib/map-limited.js'

/*
 * Makes one ref the only one of a repository. `git update-ref` makes and unlinks a lock for every ref and unlinks every
 * loose one. Here every ref is locked in git's way too, but by links to one empty file, and whole folders of refs go at
 * once, their locks with them:
 *   packed-refs.lock refs/**.lock       made exclusively; then the refs are read again and compared
 *   packed-refs.new -> packed-refs      holds the one ref, and hidden ones, which stay
 *   refs/* -> packhorse-gone-<id>/*     no refs any more; removed by and by. refs/heads is the last, and what counts
 * A git that is just making another ref finds its lock gone and refuses; a ref that it made at the last moment is put
 * back. packhorse-gone-<id>/.packed-refs is the packed-refs of before, so that who dies before refs/heads has moved leaves
 * what is undone while the locks still stand, see leftovers.ts.
 */
const PACKED_HEADER = '# pack-refs with: peeled fully-peeled sorted \n'
const HIDDEN = 'packhorse'
const PACKED_BEFORE = '.packed-refs'
const AT_ONCE = 16

/**
 * `read` answers the refs as they are on the disk. Throws `conflict`, with nothing changed, when they are not those of
 * `from` or somebody is about to change one. Answers what removes the files of the old ones.
 */
export async function replaceRefs(
  directory: string,
  from: RefSnapshot,
  only: { readonly name: string; readonly oid: GitOid },
  read: () => RefSnapshot,
): Promise<() => Promise<void>> {
  const packedLock = join(directory, 'packed-refs.lock')
  await lock(packedLock)
  try {
    const gone = join(directory, `packhorse-gone-${newId()}`)
    await mkdir(gone)
    const names = from.refs.map((it) => it.name)
    const unlock = await lockAll(directory, names, join(gone, '.lock'))
    try {
      if (read().digest !== from.digest) throw changed()
      await keepPacked(directory, gone)
      await writePacked(directory, only)
    } catch (err) {
      await unlock()
      await rm(gone, { recursive: true, force: true })
      throw err
    }
    await moveAside(directory, gone)
    await rm(join(gone, PACKED_BEFORE))
    await putBackOthers(directory, gone, new Set(names))
    await Promise.all([sync(join(directory, 'refs')), sync(directory)])
    return () => rm(gone, { recursive: true, force: true })
  } finally {
    await rm(packedLock, { force: true })
  }
}

function changed(): HubError {
  return new HubError('conflict', 'the reference changed meanwhile')
}

/** All of them, or none and `conflict`. Answers what gives them back. */
async function lockAll(
  directory: string,
  names: readonly string[],
  empty: string,
): Promise<() => Promise<void>> {
  const locks: string[] = []
  const unlock = async () => {
    await mapLimited(locks, AT_ONCE, (path) => rm(path, { force: true }))
  }
  let failure: unknown
  await writeFile(empty, '')
  await mapLimited(names, AT_ONCE, async (name) => {
    if (failure !== undefined) return
    const path = join(directory, `${name}.lock`)
    try {
      await lock(path, empty)
      locks.push(path)
    } catch (err) {
      // not thrown here: the others under way are to be undone as well
      failure = err
    }
  })
  if (failure === undefined) return unlock
  await unlock()
  await rm(dirname(empty), { recursive: true, force: true })
  throw failure
}

/** A link to `empty` spares the file system an inode; where there are none, or too many, it is a file. */
async function lock(path: string, empty?: string): Promise<void> {
  let links = empty !== undefined
  for (let attempt = 0; ; attempt += 1) {
    try {
      if (empty !== undefined && links) await link(empty, path)
      else await writeFile(path, '', { flag: 'wx' })
      return
    } catch (err) {
      const { code = '' } = err as NodeJS.ErrnoException
      if (code === 'EEXIST' || code === 'ENOTDIR') throw changed()
      if (attempt === 10) throw err
      // the folder of a packed ref need not exist, and git removes empty ones
      if (code === 'ENOENT') await mkdir(dirname(path), { recursive: true })
      else if (links) links = false
      else throw err
    }
  }
}

/** What a `replaceRefs` left whose process died: undone, unless `refs/heads` has moved and so it is done. */
export async function settleReplacement(directory: string, gone: string): Promise<void> {
  const before = join(gone, PACKED_BEFORE)
  const there = await readdir(gone)
  if (!there.includes('heads') && there.includes(PACKED_BEFORE)) {
    await putBackOthers(directory, gone, new Set())
    await rename(before, join(directory, 'packed-refs'))
  }
  // before the folders: without them it would look as if they had not moved
  await rm(before, { force: true })
  await rm(gone, { recursive: true, force: true })
}

/** The file itself, by another name: it is never written to, only replaced. */
async function keepPacked(directory: string, gone: string): Promise<void> {
  const path = join(directory, 'packed-refs')
  try {
    await link(path, join(gone, PACKED_BEFORE))
  } catch (err) {
    // there is none, or the file system has no links
    const isAbsent = (err as NodeJS.ErrnoException).code === 'ENOENT'
    const copy = join(gone, `${PACKED_BEFORE}.new`)
    await writeFile(copy, isAbsent ? '' : await readFile(path), { flush: true })
    await rename(copy, join(gone, PACKED_BEFORE))
  }
}

async function writePacked(
  directory: string,
  only: { readonly name: string; readonly oid: GitOid },
): Promise<void> {
  const path = join(directory, 'packed-refs')
  const before = await readFile(path, 'latin1').catch((err: NodeJS.ErrnoException) => {
    if (err.code === 'ENOENT') return ''
    throw err
  })
  const hidden = before
    .split(/\n(?!\^)/)
    .filter((it) => it.includes(` refs/${HIDDEN}/`))
    .map((it) => `${it.trimEnd()}\n`)
  const temporary = `${path}.new`
  // in git's order of the name: heads before packhorse. What a header says of hidden refs stays as true as it was
  const header = hidden.length ? (/^#.*\n/.exec(before)?.[0] ?? '') : PACKED_HEADER
  const text = `${header}${only.oid} ${only.name}\n${hidden.join('')}`
  await writeFile(temporary, text, { encoding: 'latin1', flush: true })
  await rename(temporary, path)
}

/** The folders and files right below refs/. New folders stand in their place: git keeps these two. */
async function moveAside(directory: string, gone: string): Promise<void> {
  const refs = join(directory, 'refs')
  const others = (await readdir(refs)).filter((it) => it !== HIDDEN && it !== 'heads')
  for (const name of [...others, 'heads']) await rename(join(refs, name), join(gone, name))
  for (const name of ['heads', 'tags']) await mkdir(join(refs, name), { recursive: true })
}

/** Refs made while the locks of the others were: as if they had been made right after. */
async function putBackOthers(
  directory: string,
  gone: string,
  known: ReadonlySet<string>,
): Promise<void> {
  const walk = async (relative: string): Promise<void> => {
    for (const entry of await readdir(join(gone, relative), { withFileTypes: true })) {
      const name = `${relative}${entry.name}`
      if (entry.isDirectory()) await walk(`${name}/`)
      else if (isRefName(`refs/${name}`) && !known.has(`refs/${name}`))
        await putBack(join(gone, name), join(directory, 'refs', name))
    }
  }
  await walk('')
}

async function putBack(from: string, to: string): Promise<void> {
  if (!/^[0-9a-f]{40,64}\n/.test(await readFile(from, 'latin1'))) return
  await mkdir(dirname(to), { recursive: true })
  await rename(from, to)
}

async function sync(path: string): Promise<void> {
  const folder = await open(path, 'r')
  await folder.sync().finally(() => folder.close())
}
