import {
  AttributeRules,
  findAttribute,
  foldersAbove,
  IgnoreRules,
  isIgnored,
  MAX_RULES_BYTES,
} from '../../protocol/git-path-rules.js'
import type { GitEngine } from '../ports.js'
import type { GitOid, LfsOid, Repo } from '../types.js'
import { checkFilePath } from './paths.js'
import { TreeView } from './tree-view.js'

/** Larger files go to LFS whatever their name is, as on the Hub. */
const REGULAR_MAX_BYTES = 10_000_000

export interface UploadCandidate {
  readonly path: string
  readonly size: number
  /** The first bytes of the file. */
  readonly sample: Buffer
}

export interface UploadMode {
  readonly path: string
  readonly mode: 'lfs' | 'regular'
  readonly ignored: boolean
  /** What the repository has at the path, when that is of the same mode: SHA-256 or blob id. */
  readonly oid: LfsOid | GitOid | undefined
}

/** Tells how each file of a coming commit is to be sent. */
export class UploadModes {
  readonly #git: GitEngine

  constructor(git: GitEngine) {
    this.#git = git
  }

  /** `attributes` and `ignore`: root files that the same commit will bring. Throws `unprocessable` for a bad path. */
  async decide(
    repo: Repo,
    commit: GitOid | null,
    files: readonly UploadCandidate[],
    options: { attributes: string | undefined; ignore: string | undefined },
  ): Promise<UploadMode[]> {
    for (const { path } of files) checkFilePath(path)
    const tree = new TreeView(this.#git, repo.id, commit)
    const paths = files.map((it) => it.path)
    const attributes = await this.#rules(repo, tree, paths, '.gitattributes', options.attributes)
    const filters = mapValues(attributes, (text) => new AttributeRules(text, 'filter'))
    const ignoreTexts = await this.#rules(repo, tree, paths, '.gitignore', options.ignore)
    const ignores = mapValues(ignoreTexts, (text) => new IgnoreRules(text))
    const leaves = await Promise.all(paths.map((path) => tree.find(path)))
    const blobs = leaves.map((it) => (it && it !== 'folder' ? it.oid : null))
    const { pointers } = await this.#git.inspectBlobs(repo.id, [
      ...new Set(blobs.flatMap((it) => (it ? [it] : []))),
    ])
    return files.map((file, n) => {
      const lfs =
        file.size > 0 &&
        (findAttribute(filters, file.path) === 'lfs' ||
          file.size > REGULAR_MAX_BYTES ||
          isBinary(file.sample))
      const blob = blobs[n]
      const pointer = blob ? pointers.get(blob) : undefined
      return {
        path: file.path,
        mode: lfs ? 'lfs' : 'regular',
        ignored: isIgnored(ignores, file.path),
        oid: lfs ? pointer?.oid : pointer ? undefined : (blob ?? undefined),
      }
    })
  }

  /** Texts of the rule files that can concern these paths, by folder. */
  async #rules(
    repo: Repo,
    tree: TreeView,
    paths: readonly string[],
    name: string,
    root: string | undefined,
  ): Promise<Map<string, string>> {
    const texts = new Map<string, string>()
    for (const folder of new Set(paths.flatMap(foldersAbove))) {
      if (folder === '' && root !== undefined) {
        texts.set('', root)
        continue
      }
      const leaf = await tree.find(folder === '' ? name : `${folder}/${name}`)
      if (!leaf || leaf === 'folder' || !leaf.oid || leaf.mode === '120000') continue
      if (((await this.#git.blobSize(repo.id, leaf.oid)) ?? 0) > MAX_RULES_BYTES) continue
      const blob = await this.#git.readBlob(repo.id, leaf.oid, MAX_RULES_BYTES)
      texts.set(folder, blob.toString('utf8'))
    }
    return texts
  }
}

function mapValues<A, B>(map: ReadonlyMap<string, A>, change: (it: A) => B): Map<string, B> {
  return new Map([...map].map(([key, value]) => [key, change(value)]))
}

/** A NUL byte, or text that is no UTF-8 (the sample may end inside a character). */
function isBinary(sample: Buffer): boolean {
  if (sample.includes(0)) return true
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(sample, { stream: true })
    return false
  } catch {
    return true
  }
}
