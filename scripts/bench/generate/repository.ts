/** A repository as a fast-import stream: a long main branch, topic branches and tags along it, files in folders. */
import { Random } from './random.js'

export interface RepositorySize {
  readonly commits: number
  readonly files: number
  readonly filesPerCommit: number
  readonly blobBytes: number
  /** Branches and tags together, main apart. */
  readonly refs: number
  readonly seed: number
}

export const sizes = {
  /** ~400,000 objects, ~300 MB, ~1,000 refs. */
  full: {
    commits: 50_000,
    files: 10_000,
    filesPerCommit: 2,
    blobBytes: 3_270,
    refs: 1_000,
    seed: 1,
  },
  /** What the growth table begins with: small enough to be had with 100 times as much of anything. */
  growth: { commits: 500, files: 1_000, filesPerCommit: 2, blobBytes: 400, refs: 1_000, seed: 1 },
  /** ~10,000 objects, ~10 MB, ~100 refs. */
  small: { commits: 1_200, files: 500, filesPerCommit: 2, blobBytes: 4_400, refs: 100, seed: 1 },
} as const satisfies Record<string, RepositorySize>

/** The last commits of main carry no other ref, so that a clone can be truly behind. */
export const FRESH_COMMITS = 150

const EPOCH = 1_700_000_000

/** Three levels, 100 folders each at most: a change rewrites small trees, as in real projects. */
export function pathOf(file: number): string {
  return `d${file % 100}/e${Math.floor(file / 100) % 100}/file-${file}.txt`
}

export function* fastImportStream(size: RepositorySize): Generator<Buffer> {
  const random = new Random(size.seed)
  // Base64 of noise: compresses to three quarters and never deltifies, like weights and images in text clothes.
  const content = () => random.bytes(Math.ceil(size.blobBytes * 0.75)).toString('base64')
  yield Buffer.from('feature done\n')
  const last = Math.max(1, size.commits)
  const refAt = spreadRefs(size, last)
  for (let number = 1; number <= last; number++) {
    yield Buffer.from(
      commitHead('refs/heads/main', number, number, number > 1 ? number - 1 : undefined),
    )
    if (number === 1) {
      yield file('README.md', '# Bench\n\nA generated repository.\n')
      for (let index = 0; index < size.files; index++) yield file(pathOf(index), content())
    } else {
      for (let change = 0; change < size.filesPerCommit; change++) {
        yield file(pathOf(random.below(size.files)), content())
      }
    }
    for (const ref of refAt.get(number) ?? []) yield* refAlong(ref, number, last, content)
  }
  yield Buffer.from('done\n')
}

function file(path: string, content: string): Buffer {
  return Buffer.from(`M 100644 inline ${path}\ndata ${content.length}\n${content}\n`)
}

function commitHead(ref: string, mark: number, time: number, from: number | undefined): string {
  const who = `Bench <bench@localhost> ${EPOCH + time} +0000`
  const message = `Change ${mark}\n`
  return `commit ${ref}\nmark :${mark}\nauthor ${who}\ncommitter ${who}\ndata ${message.length}\n${message}${
    from === undefined ? '' : `from :${from}\n`
  }`
}

/** Every tenth ref is an annotated tag, the rest are branches with one commit of their own. */
function* refAlong(
  ref: number,
  at: number,
  commits: number,
  content: () => string,
): Generator<Buffer> {
  if (ref % 10 === 0) {
    const text = `Release ${ref}\n`
    yield Buffer.from(
      `tag v${ref}\nfrom :${at}\ntagger Bench <bench@localhost> ${EPOCH + at} +0000\ndata ${text.length}\n${text}`,
    )
    return
  }
  const name = `refs/heads/topic/${String(ref).padStart(6, '0')}`
  yield Buffer.from(commitHead(name, commits + ref, at, at))
  yield file(`topics/${ref}.txt`, content().slice(0, 400))
}

function spreadRefs(size: RepositorySize, commits: number): Map<number, number[]> {
  const places = new Map<number, number[]>()
  const usable = Math.max(1, commits - FRESH_COMMITS)
  for (let ref = 1; ref <= size.refs; ref++) {
    const at = 1 + Math.floor(((ref - 1) * usable) / size.refs)
    const here = places.get(at)
    if (here) here.push(ref)
    else places.set(at, [ref])
  }
  return places
}
