import { HubError } from '../domain/errors.js'
import type { CommitStep, Signature } from '../domain/ports.js'
import type { GitOid } from '../domain/types.js'
import { formatSignature } from './commits.js'
import { encodeObject, type NewObject, writeLooseObjects } from './loose-objects.js'

const MAX_STEPS = 50
const MAX_BYTES = 512 * 1024
const TREE_MODE = '040000'

type Entry = { readonly mode: string; readonly oid: GitOid }
type Children = ReadonlyMap<string, Entry>
type SmallStep = Exclude<CommitStep, { type: 'put' }> | (CommitStep & { content: Buffer })

/** The steps when there are so few, and so few bytes, that the start of a process would cost more than the work. */
export function smallSteps(steps: unknown): readonly SmallStep[] | undefined {
  if (!Array.isArray(steps) || steps.length > MAX_STEPS) return undefined
  let bytes = 0
  for (const it of steps as CommitStep[]) {
    if (it.type !== 'put') continue
    if (!Buffer.isBuffer(it.content)) return undefined
    bytes += it.size
  }
  return bytes <= MAX_BYTES ? (steps as SmallStep[]) : undefined
}

export interface SmallCommit {
  readonly parent: GitOid
  readonly message: string
  readonly author: Signature
  readonly steps: readonly SmallStep[]
}

/** A name in a tree that is to be written anew is not UTF-8: as text it would not be the same name any more. */
class UnreadableName extends Error {}

/**
 * What `writeCommit` does by fast-import, for a few files: new blobs, the trees on the way to them, the commit. Undefined
 * when fast-import has to do it.
 */
export async function writeSmallCommit(
  directory: string,
  order: SmallCommit,
  readTree: (treeish: GitOid) => Promise<Children | undefined>,
): Promise<GitOid | undefined> {
  try {
    return await write(directory, order, readTree)
  } catch (err) {
    if (err instanceof UnreadableName) return undefined
    throw err
  }
}

async function write(
  directory: string,
  order: SmallCommit,
  readTree: (treeish: GitOid) => Promise<Children | undefined>,
): Promise<GitOid> {
  const made: NewObject[] = []
  const format = order.parent.length === 64 ? 'sha256' : 'sha1'
  const add = (type: 'blob' | 'tree' | 'commit', content: Buffer): GitOid => {
    const object = encodeObject(type, content, format)
    made.push(object)
    return object.oid
  }
  const root = new Folder(order.parent, readTree)
  for (const step of order.steps) {
    const segments = step.path.split('/')
    if (step.type === 'delete') await root.remove(segments)
    else {
      const oid = step.type === 'link' ? step.oid : add('blob', step.content)
      await root.put(segments, { mode: step.mode, oid })
    }
  }
  const tree = (await root.store((content) => add('tree', content))) ?? add('tree', Buffer.alloc(0))
  const who = formatSignature(order.author)
  const text = `tree ${tree}\nparent ${order.parent}\nauthor ${who}\ncommitter ${who}\n\n${order.message}`
  const commit = add('commit', Buffer.from(text))
  await writeLooseObjects(directory, made)
  return commit
}

/** A tree that is changed: only the folders on the way to a change are read and written. */
class Folder {
  readonly #oid: GitOid | null
  readonly #readTree: (treeish: GitOid) => Promise<Children | undefined>
  #children: Map<string, Entry | Folder> | undefined

  constructor(oid: GitOid | null, readTree: (treeish: GitOid) => Promise<Children | undefined>) {
    this.#oid = oid
    this.#readTree = readTree
  }

  async put([name = '', ...rest]: readonly string[], entry: Entry): Promise<void> {
    const children = await this.#load()
    if (rest.length === 0) children.set(name, entry)
    else await this.#folder(children, name).put(rest, entry)
  }

  async remove([name = '', ...rest]: readonly string[]): Promise<void> {
    const children = await this.#load()
    const known = children.get(name)
    if (rest.length === 0) children.delete(name)
    else if (known instanceof Folder || known?.mode === TREE_MODE)
      await this.#folder(children, name).remove(rest)
  }

  /** Undefined for a folder without files: git has none. */
  async store(write: (content: Buffer) => GitOid): Promise<GitOid | undefined> {
    const children = await this.#load()
    const entries: (Entry & { name: Buffer; key: Buffer })[] = []
    for (const [text, it] of children) {
      const oid = it instanceof Folder ? await it.store(write) : it.oid
      if (oid === undefined) continue
      const mode = it instanceof Folder ? TREE_MODE : it.mode
      const name = Buffer.from(text)
      // git sorts a tree as if its name ended with a slash
      const key = mode === TREE_MODE ? Buffer.concat([name, Buffer.from('/')]) : name
      entries.push({ mode, oid, name, key })
    }
    if (entries.length === 0) return undefined
    entries.sort((a, b) => Buffer.compare(a.key, b.key))
    const pieces = entries.flatMap(({ mode, name, oid }) => [
      Buffer.from(`${mode.replace(/^0/, '')} `),
      name,
      Buffer.from([0]),
      Buffer.from(oid, 'hex'),
    ])
    return write(Buffer.concat(pieces))
  }

  #folder(children: Map<string, Entry | Folder>, name: string): Folder {
    const known = children.get(name)
    if (known instanceof Folder) return known
    const folder = new Folder(known?.mode === TREE_MODE ? known.oid : null, this.#readTree)
    children.set(name, folder)
    return folder
  }

  async #load(): Promise<Map<string, Entry | Folder>> {
    if (this.#children) return this.#children
    const read = this.#oid === null ? new Map<string, Entry>() : await this.#readTree(this.#oid)
    if (!read) throw new HubError('git_failed', 'a tree is missing', { oid: this.#oid })
    for (const name of read.keys()) if (name.includes('\ufffd')) throw new UnreadableName()
    this.#children = new Map(read)
    return this.#children
  }
}
