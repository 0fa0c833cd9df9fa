import type { CommitInfo, Signature, TreeEntry } from '../domain/ports.js'
import type { GitOid } from '../domain/types.js'

/* Contents of git's objects, as git-cat-file(1) gives them. */

/** Of a tree: the entries, each "mode name NUL id" with the id in bytes. */
export function* parseTree(
  content: Buffer,
  hashBytes: number,
): Generator<{ mode: string; name: string; oid: string }> {
  let at = 0
  while (at < content.length) {
    const space = content.indexOf(32, at)
    const nul = content.indexOf(0, space)
    if (space < 0 || nul < 0) return
    yield {
      mode: content.toString('latin1', at, space).padStart(6, '0'),
      name: content.toString('utf8', space + 1, nul),
      oid: content.toString('hex', nul + 1, nul + 1 + hashBytes),
    }
    at = nul + 1 + hashBytes
  }
}

export function typeOfMode(mode: string): TreeEntry['type'] {
  return mode === '040000' ? 'tree' : mode === '160000' ? 'commit' : 'blob'
}

/** Commit object (git-hash-object(1) format): header lines, continuation lines start with a blank, empty line, message. */
export function parseCommit(oid: GitOid, content: Buffer): CommitInfo {
  const text = content.toString('utf8')
  const split = text.indexOf('\n\n')
  const header = split < 0 ? text : text.slice(0, split)
  let treeOid = ''
  const parents: string[] = []
  let author = parseSignature('')
  let committer = author
  for (const line of header.split('\n')) {
    if (line.startsWith('tree ')) treeOid = line.slice(5)
    else if (line.startsWith('parent ')) parents.push(line.slice(7))
    else if (line.startsWith('author ')) author = parseSignature(line.slice(7))
    else if (line.startsWith('committer ')) committer = parseSignature(line.slice(10))
  }
  return {
    oid,
    treeOid,
    parents,
    author,
    committer,
    message: split < 0 ? '' : text.slice(split + 2),
  }
}

/**
 * "name <email> seconds zone"; what stands between the first `<` and the last `>` is the address, as git reads it. Without a
 * pattern: one would try every `<` of a line against all of the rest.
 */
function parseSignature(text: string): Signature {
  const open = text.indexOf('<')
  const close = text.lastIndexOf('>')
  const isWhole = open >= 0 && close > open
  const seconds = Number(isWhole ? (/^ (-?\d{1,15})/.exec(text.slice(close + 1))?.[1] ?? 0) : 0)
  const inRange = Math.abs(seconds) < 8.64e12 ? seconds : 0
  return {
    name: isWhole ? text.slice(0, open).replace(/ $/, '') : '',
    email: isWhole ? text.slice(open + 1, close) : '',
    at: new Date(inRange * 1000).toISOString(),
  }
}
