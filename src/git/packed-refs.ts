import { readFile } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Ref } from '../domain/types.js'
import { compareRefNames } from '../protocol/git-v2.js'

/** packed-refs as it was read. */
export interface PackedRefs {
  /** The file's, by which a change is seen. */
  readonly mark: string
  /** Not so young when it was read that it could change without changing its mark. */
  readonly trusted: boolean
  /** In git's order of the name, without hidden ones. */
  readonly refs: readonly Ref[]
  /** `<oid> <name>\n` of each ref, one after the other, and where each line ends. */
  readonly text: Buffer
  readonly ends: Uint32Array
}

/** Lines read between two looks at the clock. */
const LINES = 2_000
/** How long a file of many refs may hold up everything else at a time. */
const SLICE_MS = 8

type Steps = Generator<void, Pick<PackedRefs, 'refs' | 'text' | 'ends'>>

/** At once, from what `readFileSync` gave: for files of a few thousand refs. */
export function parsePackedRefs(text: string, hidden: string): ReturnType<typeof finish> {
  return finish(steps(text, hidden))
}

/** Between other work of this thread, for files of any length. Rejects when there is no such file. */
export async function readPackedRefs(path: string, hidden: string) {
  const parsing = steps(await readFile(path, 'utf8'), hidden)
  for (let since = performance.now(); ; ) {
    const { done, value } = parsing.next()
    if (done) return value
    if (performance.now() - since < SLICE_MS) continue
    await nextTurn()
    since = performance.now()
  }
}

function finish(parsing: Steps) {
  for (;;) {
    const { done, value } = parsing.next()
    if (done) return value
  }
}

function* steps(text: string, hidden: string): Steps {
  const found = yield* parse(text, hidden)
  const refs = found.sorted ? found.refs : sortedOnce(found.refs)
  const ends = new Uint32Array(refs.length)
  const parts: Buffer[] = []
  let end = 0
  for (let from = 0; from < refs.length; from += LINES) {
    const lines = refs.slice(from, from + LINES).map((it) => `${it.oid} ${it.name}\n`)
    for (const [n, line] of lines.entries()) {
      end += Buffer.byteLength(line)
      ends[from + n] = end
    }
    parts.push(Buffer.from(lines.join('')))
    yield
  }
  return { refs, text: Buffer.concat(parts), ends }
}

/** gitrepository-layout(5): "# pack-refs with: …", "<oid> <name>", "^<peeled>" after an annotated tag. */
function* parse(text: string, hidden: string): Generator<void, { refs: Ref[]; sorted: boolean }> {
  const header = text.startsWith('#') ? text.slice(0, text.indexOf('\n')) : ''
  const fullyPeeled = header.includes(' fully-peeled')
  const refs: Ref[] = []
  let sorted = true
  /** The line before was a ref that was taken. */
  let isOpen = false
  let lines = 0
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 ? text.length : newline
    if (text[at] === '^') {
      const last = refs.at(-1)
      if (isOpen && last) refs[refs.length - 1] = { ...last, peeled: text.slice(at + 1, end) }
    } else if (end > at && text[at] !== '#') {
      const space = text.indexOf(' ', at)
      const name = text.slice(space + 1, end)
      isOpen = !name.startsWith(hidden) && !name.includes('\ufffd')
      if (isOpen) {
        const before = refs.at(-1)
        if (before && compareRefNames(before.name, name) >= 0) sorted = false
        const oid = text.slice(at, space)
        // with "fully-peeled", a ref without a ^ line is known not to be a tag object
        refs.push(fullyPeeled ? { oid, name, peeled: oid } : { oid, name })
      }
    }
    at = end + 1
    lines += 1
    if (lines % LINES === 0) yield
  }
  return { refs, sorted }
}

/** Git writes them in order; what somebody else wrote may hold a name twice, and the last one counts. */
function sortedOnce(refs: readonly Ref[]): Ref[] {
  const byName = new Map(refs.map((it) => [it.name, it]))
  return [...byName.values()].sort((a, b) => compareRefNames(a.name, b.name))
}

/** Where `name` stands or would stand among refs in git's order. */
export function positionOf(refs: readonly Ref[], name: string): number {
  let low = 0
  let high = refs.length
  while (low < high) {
    const mid = (low + high) >> 1
    if (compareRefNames((refs[mid] as Ref).name, name) < 0) low = mid + 1
    else high = mid
  }
  return low
}

export function findRef(refs: readonly Ref[], name: string): Ref | undefined {
  const found = refs[positionOf(refs, name)]
  return found?.name === name ? found : undefined
}
