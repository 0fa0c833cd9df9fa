import {
  AttributeRules,
  findAttribute,
  IgnoreRules,
  isIgnored,
  MAX_RULES_BYTES,
} from '../../protocol/git-path-rules.js'
import { MatchBudget, MatchBudgetSpent } from '../../protocol/wildmatch.js'
import { HubError } from '../errors.js'
import type { GitEngine } from '../ports.js'
import type { GitOid, LfsOid, Repo } from '../types.js'
import { checkFilePath } from './paths.js'
import { TreeView } from './tree-view.js'

/** Larger files go to LFS whatever their name is, as on the Hub. */
const REGULAR_MAX_BYTES = 10_000_000
/** Some seconds on the one thread there is: 10,000 files below usual rules need a hundredth of it. */
const MATCH_STEPS = 50_000_000

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
    const budget = new MatchBudget(MATCH_STEPS)
    const filters = mapValues(attributes, (text) => new AttributeRules(text, 'filter', budget))
    const ignoreTexts = await this.#rules(repo, tree, paths, '.gitignore', options.ignore)
    const ignores = mapValues(ignoreTexts, (text) => new IgnoreRules(text, budget))
    const leaves = await Promise.all(paths.map((path) => tree.find(path)))
    const blobs = leaves.map((it) => (it && it !== 'folder' ? it.oid : null))
    const { pointers } = await this.#git.inspectBlobs(repo.id, [
      ...new Set(blobs.flatMap((it) => (it ? [it] : []))),
    ])
    const modeOf = (file: UploadCandidate, n: number): UploadMode => {
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
    }
    try {
      return files.map(modeOf)
    } catch (err) {
      if (!(err instanceof MatchBudgetSpent)) throw err
      throw new HubError(
        'unprocessable',
        'The patterns of .gitattributes and .gitignore take too long for these files: ask for fewer at once.',
      )
    }
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
    for (const folder of await foldersThere(tree, paths)) {
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

/** The folders above the paths that are there, the root in any case; of deep paths most are not. */
async function foldersThere(tree: TreeView, paths: readonly string[]): Promise<Set<string>> {
  const there = new Set([''])
  for (const path of paths)
    for (let end = path.indexOf('/'); end > 0; end = path.indexOf('/', end + 1)) {
      const folder = path.slice(0, end)
      if (there.has(folder)) continue
      if ((await tree.find(folder)) !== 'folder') break
      there.add(folder)
    }
  return there
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
