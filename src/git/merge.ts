import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HubError } from '../domain/errors.js'
import type { Quarantine } from '../domain/ports.js'
import type { GitOid } from '../domain/types.js'
import { runGit } from './spawn.js'

/**
 * Three-way merge without a working tree (git-merge-tree(1), git 2.38). The base is the best common ancestor. Answers the
 * tree, and the paths that are in conflict; with conflicts the tree is of no use.
 */
export async function mergeTree(
  directory: string,
  ours: GitOid,
  theirs: GitOid,
  quarantine?: Quarantine,
): Promise<{ treeOid: GitOid; conflicts: string[] }> {
  const { code, stdout, stderr } = await runGit(
    'merge-tree',
    ['--write-tree', '-z', '--name-only', '--no-messages', ours, theirs],
    { cwd: directory, quarantine, okCodes: [0, 1, 128] },
  )
  const [treeOid = '', ...paths] = stdout.toString('utf8').split('\0')
  if (code === 128 && /refusing to merge unrelated histories/.test(stderr))
    throw new HubError('conflict', 'The two have no common history.')
  if (code === 128 || !/^[0-9a-f]{40,64}$/.test(treeOid))
    throw new HubError('git_failed', 'git merge-tree failed', { code, stderr })
  return { treeOid, conflicts: code === 0 ? [] : [...new Set(paths.filter((it) => it !== ''))] }
}

/** What `mergeTree` would find in conflict, without leaving objects behind; undefined without a common ancestor. */
export async function findConflicts(
  directory: string,
  ours: GitOid,
  theirs: GitOid,
): Promise<string[] | undefined> {
  if (!(await mergeBase(directory, ours, theirs))) return undefined
  const objects = join(directory, 'objects')
  // named as git names its own quarantines: what a crash leaves is swept with theirs
  const objectDirectory = await mkdtemp(join(objects, 'tmp_objdir-conflicts-'))
  try {
    const aside = { objectDirectory, alternates: objects }
    return (await mergeTree(directory, ours, theirs, aside)).conflicts
  } finally {
    await rm(objectDirectory, { recursive: true, force: true })
  }
}

export async function mergeBase(
  directory: string,
  a: GitOid,
  b: GitOid,
): Promise<GitOid | undefined> {
  const { stdout } = await runGit('merge-base', ['--end-of-options', a, b], {
    cwd: directory,
    okCodes: [0, 1],
  })
  return stdout.toString('latin1').trim() || undefined
}

/** Unified diff between two commits, one text a file in git's order; undefined when it is longer than `maxBytes`. */
export async function diffTexts(
  directory: string,
  from: GitOid,
  to: GitOid,
  maxBytes: number,
): Promise<Map<string, string> | undefined> {
  const args = ['-r', '--raw', '-p', '-z', '--no-renames', '--no-ext-diff', '--no-textconv']
  let output: Buffer
  try {
    const options = { cwd: directory, maxBytes }
    ;({ stdout: output } = await runGit('diff-tree', [...args, from, to], options))
  } catch (err) {
    if (err instanceof HubError && err.facts.size !== undefined) return undefined
    throw err
  }
  const text = output.toString('utf8')
  // raw records, each ":… \0path\0", an empty one, then the patches in the same order
  const end = text.startsWith('diff --git ') ? 0 : text.indexOf('\0\0')
  const raw = text.slice(0, Math.max(end, 0)).split('\0')
  const paths = raw.filter((_, n) => n % 2 === 1)
  const patches = text.slice(end + 2).split(/^(?=diff --git )/m)
  return new Map(paths.map((path, n) => [path, patches[n] ?? '']))
}
