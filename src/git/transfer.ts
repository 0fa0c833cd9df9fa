import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HubError } from '../domain/errors.js'
import type { GitOid, Ref } from '../domain/types.js'
import { linkOrCopy } from '../lib/link-or-copy.js'
import { runGit } from './spawn.js'

const ATTEMPTS = 20
const PACK_FILE = /^(pack-[0-9a-f]+)\.(pack|idx|rev|bitmap)$/

/**
 * Brings the object files of a repository in use to `target` and answers their names. Objects never change, they only
 * move from loose files into packs and from packs into others, the new place being there before the old one goes: so
 * loose files are listed before packs, and when one is gone before it was taken, everything is listed again.
 */
export async function exportObjects(directory: string, target: string): Promise<Set<string>> {
  const objects = join(directory, 'objects')
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const names = await listObjectFiles(objects)
    try {
      for (const name of names)
        await linkOrCopy(join(objects, name), join(target, name), { link: true })
      return new Set(names)
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err
    }
  }
  throw new HubError('busy', 'the repository is repacked faster than it can be copied')
}

async function listObjectFiles(objects: string): Promise<string[]> {
  const found: string[] = []
  for (const fanout of await readdir(objects))
    if (/^[0-9a-f]{2}$/.test(fanout))
      for (const name of await readdir(join(objects, fanout)).catch(() => []))
        if (/^[0-9a-f]{38}(?:[0-9a-f]{24})?$/.test(name)) found.push(`${fanout}/${name}`)
  const packs: string[] = await readdir(join(objects, 'pack')).catch(() => [])
  // one that is being added or removed has only some of its files
  const whole = (base: string) => packs.includes(`${base}.pack`) && packs.includes(`${base}.idx`)
  for (const name of packs) if (whole(PACK_FILE.exec(name)?.[1] ?? '')) found.push(`pack/${name}`)
  return found
}

/** Whether everything that `tips` reach is among the object files in `objects`; the repository's own are not looked at. */
export async function objectsReach(
  directory: string,
  objects: string,
  tips: readonly GitOid[],
): Promise<boolean> {
  if (tips.length === 0) return true
  const { code } = await runGit('rev-list', ['--objects', '--quiet', '--stdin'], {
    cwd: directory,
    quarantine: { objectDirectory: objects, alternates: '' },
    input: `${tips.join('\n')}\n`,
    okCodes: [0, 1, 128],
  })
  return code === 0
}

/** Fills a new, empty repository with object files and refs. */
export async function importObjects(
  directory: string,
  source: string,
  refs: readonly Ref[],
): Promise<void> {
  for (const name of await listObjectFiles(source).catch(ignoreMissing))
    await linkOrCopy(join(source, name), join(directory, 'objects', name), { link: false })
  await writeRefs(directory, refs)
}

/**
 * Fills a new, empty repository with all of another one's object files, as second names of the same bytes where the file
 * system allows, and with `refs`. Throws `busy` when the source was pruned meanwhile.
 */
export async function copyRepository(
  from: string,
  to: string,
  refs: readonly Ref[],
): Promise<void> {
  const objects = join(to, 'objects')
  await exportObjects(from, objects)
  const tips = [...new Set(refs.map((it) => it.oid))]
  if (!(await objectsReach(to, objects, tips)))
    throw new HubError('busy', 'the repository changed while it was copied, try again')
  await writeRefs(to, refs)
}

async function writeRefs(directory: string, refs: readonly Ref[]): Promise<void> {
  const sorted = [...refs].sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
  const lines = sorted.map(({ name, oid }) => `${oid} ${name}\n`)
  await writeFile(join(directory, 'packed-refs'), `# pack-refs with: sorted \n${lines.join('')}`, {
    flush: true,
  })
}

/** Removes the object files that `keep` does not name. */
export async function dropOtherObjects(target: string, keep: ReadonlySet<string>): Promise<void> {
  for (const name of await listObjectFiles(target).catch(ignoreMissing))
    if (!keep.has(name)) await rm(join(target, name), { force: true })
}

function ignoreMissing(err: NodeJS.ErrnoException): string[] {
  if (err.code !== 'ENOENT') throw err
  return []
}
