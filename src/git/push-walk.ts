import type { Quarantine, RefSnapshot } from '../domain/ports.js'
import type { GitOid, LfsPointer } from '../domain/types.js'
import { mayBePointer, parseLfsPointer } from '../protocol/lfs-pointer.js'
import type { CatFile } from './cat-file.js'
import { parseCommit, parseTree, typeOfMode } from './object-parsers.js'
import { PushObjects } from './push-objects.js'

const MAX_COMMITS = 64
const MAX_TREES = 500
const MAX_BLOBS = 1_000

/** The push is not small enough, or not simple enough, to be looked at here: ask git. */
class AskGit extends Error {}

type Tree = ReadonlyMap<string, { readonly mode: string; readonly oid: GitOid }>
const NO_TREE: Tree = new Map()

/**
 * LFS pointers in what the commits of a small push change. That is all that is new in them, plus old content that they
 * bring back; undefined when git has to be asked.
 */
export async function smallPushPointers(
  reader: CatFile,
  snapshot: RefSnapshot,
  tips: readonly GitOid[],
  quarantine: Quarantine | undefined,
): Promise<LfsPointer[] | undefined> {
  const objects = PushObjects.open(quarantine, reader)
  if (!objects) return undefined
  try {
    const walk = new PushWalk(objects, snapshot)
    for (const tip of tips) await walk.visit(tip)
    return await walk.pointers()
  } catch (err) {
    if (err instanceof AskGit) return undefined
    throw err
  }
}

/** Whether a small push leads on from `ancestor` in a straight line; undefined when git has to be asked. */
export async function smallPushExtends(
  reader: CatFile,
  ancestor: GitOid,
  descendant: GitOid,
  quarantine: Quarantine | undefined,
): Promise<true | undefined> {
  const objects = PushObjects.open(quarantine, reader)
  let at = descendant
  for (let steps = 0; objects && steps < MAX_COMMITS; steps += 1) {
    if (at === ancestor) return true
    const it = objects.has(at) ? await objects.read(at) : undefined
    const parent = it?.type === 'commit' && it.content && parseCommit(at, it.content).parents[0]
    if (!parent) return undefined
    at = parent
  }
  return undefined
}

/**
 * Whether everything that the new tip of a branch needs is there: in the push, or reachable from a ref. Parents have to
 * be tips of refs or in the push, and what a tree has beside the push has to stand at the same place in the parent's.
 * False when git has to be asked. That each object's links lead to objects of the right type was checked by git.
 */
export async function smallPushIsConnected(
  reader: CatFile,
  snapshot: RefSnapshot,
  tip: GitOid,
  quarantine: Quarantine,
): Promise<boolean> {
  const objects = PushObjects.open(quarantine, reader)
  if (!objects?.has(tip)) return false
  try {
    await new PushWalk(objects, snapshot).requireConnected(tip)
    return true
  } catch (err) {
    if (err instanceof AskGit) return false
    throw err
  }
}

class PushWalk {
  readonly #objects: PushObjects
  readonly #snapshot: RefSnapshot
  readonly #seen = new Set<GitOid>()
  readonly #blobs = new Set<GitOid>()
  #commits = 0
  #trees = 0

  constructor(objects: PushObjects, snapshot: RefSnapshot) {
    this.#objects = objects
    this.#snapshot = snapshot
  }

  /** What a ref names was looked at when it came, and all that it reaches. A scan: a push asks for one or two of them. */
  #isKnown(oid: GitOid): boolean {
    return this.#snapshot.refs.some((it) => it.oid === oid)
  }

  async visit(tip: GitOid): Promise<void> {
    const waiting = [tip]
    for (let oid = waiting.pop(); oid !== undefined; oid = waiting.pop()) {
      if (this.#seen.has(oid) || this.#isKnown(oid)) continue
      this.#seen.add(oid)
      const it = await this.#objects.read(oid)
      if (!it?.content) throw new AskGit()
      if (it.type === 'tag') waiting.push(targetOfTag(it.content))
      else if (it.type === 'commit') waiting.push(...(await this.#visitCommit(oid, it.content)))
      else if (it.type === 'tree') await this.#diff(NO_TREE, this.#parse(oid, it.content))
      else this.#blobs.add(oid)
    }
  }

  /** Throws AskGit for anything that is not plainly so. */
  async requireConnected(tip: GitOid): Promise<void> {
    const waiting = [tip]
    for (let oid = waiting.pop(); oid !== undefined; oid = waiting.pop()) {
      if (this.#seen.has(oid) || this.#isKnown(oid)) continue
      this.#seen.add(oid)
      const it = this.#objects.has(oid) ? await this.#objects.read(oid) : undefined
      if (it?.type !== 'commit' || !it.content) throw new AskGit()
      const { treeOid, parents } = parseCommit(oid, it.content)
      const [first] = parents
      const before = first === undefined ? undefined : await this.#treeOf(first)
      if (before !== treeOid) await this.#requireTree(before, treeOid)
      waiting.push(...parents)
    }
  }

  async #requireTree(before: GitOid | undefined, after: GitOid): Promise<void> {
    if (!this.#objects.has(after)) throw new AskGit()
    const old = before === undefined ? NO_TREE : await this.#tree(before)
    for (const [name, now] of await this.#tree(after)) {
      const was = old.get(name)
      const type = typeOfMode(now.mode)
      if (was?.oid === now.oid && was.mode === now.mode) continue
      if (type === 'blob' && !this.#objects.has(now.oid) && was?.oid !== now.oid) throw new AskGit()
      if (type === 'tree')
        await this.#requireTree(
          was && typeOfMode(was.mode) === 'tree' ? was.oid : undefined,
          now.oid,
        )
    }
  }

  /** Answers the parents, which are to be visited too. */
  async #visitCommit(oid: GitOid, content: Buffer): Promise<readonly GitOid[]> {
    this.#commits += 1
    // a commit that is here already, below no ref: only git can say what of it is reachable
    if (this.#commits > MAX_COMMITS || !this.#objects.has(oid)) throw new AskGit()
    const { treeOid, parents } = parseCommit(oid, content)
    const [first] = parents
    const before = first === undefined ? undefined : await this.#treeOf(first)
    if (before !== treeOid)
      await this.#diff(before ? await this.#tree(before) : NO_TREE, await this.#tree(treeOid))
    return parents
  }

  async #treeOf(commit: GitOid): Promise<GitOid> {
    const it = await this.#objects.read(commit)
    if (it?.type !== 'commit' || !it.content) throw new AskGit()
    return parseCommit(commit, it.content).treeOid
  }

  async #tree(oid: GitOid): Promise<Tree> {
    this.#trees += 1
    if (this.#trees > MAX_TREES) throw new AskGit()
    const it = await this.#objects.read(oid)
    if (it?.type !== 'tree' || !it.content) throw new AskGit()
    return this.#parse(oid, it.content)
  }

  #parse(oid: GitOid, content: Buffer): Tree {
    return new Map([...parseTree(content, oid.length / 2)].map(({ name, ...it }) => [name, it]))
  }

  /** Collects the blobs of `after` that are not at the same place in `before`. */
  async #diff(before: Tree, after: Tree): Promise<void> {
    for (const [name, now] of after) {
      const was = before.get(name)
      if (was?.oid === now.oid) continue
      const type = typeOfMode(now.mode)
      if (type === 'blob') {
        this.#blobs.add(now.oid)
        if (this.#blobs.size > MAX_BLOBS) throw new AskGit()
      } else if (type === 'tree') {
        const old = was && typeOfMode(was.mode) === 'tree' ? await this.#tree(was.oid) : NO_TREE
        await this.#diff(old, await this.#tree(now.oid))
      }
    }
  }

  async pointers(): Promise<LfsPointer[]> {
    const found = new Map<string, LfsPointer>()
    for (const oid of this.#blobs) {
      const it = await this.#objects.read(oid)
      if (!it) throw new AskGit()
      const pointer = it.content && mayBePointer(it.size) ? parseLfsPointer(it.content) : undefined
      // one object may be named with a wrong size too
      if (pointer) found.set(`${pointer.oid} ${pointer.size}`, pointer)
    }
    return [...found.values()]
  }
}

/** "object <oid>\n…" (git-mktag(1)). */
function targetOfTag(content: Buffer): GitOid {
  const target = /^object ([0-9a-f]{40,64})\n/.exec(content.toString('latin1', 0, 80))?.[1]
  if (!target) throw new AskGit()
  return target
}
