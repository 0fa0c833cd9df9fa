import { HubError } from '../errors.js'

const MAX_PATH_BYTES = 4096
const MAX_SEGMENT_BYTES = 255
/** Each folder is a tree to read and to write. */
const MAX_DEPTH = 256

/**
 * Names that some file system takes for `.git`: any case, NTFS's short name, trailing dots, blanks and streams, and
 * the code points that HFS+ ignores (the list of git's own fsck).
 */
function meansDotGit(segment: string): boolean {
  const plain = segment.replace(/[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g, '')
  return /^(\.git|git~1)[. ]*(:.*)?$/i.test(plain)
}

/**
 * A file's path inside a repository as callers may name it: relative, `/` between the segments. Throws `unprocessable`
 * for what could leave a checkout, touch its `.git`, or cannot exist in one.
 */
export function checkFilePath(path: string): string {
  const bad = (why: string) =>
    new HubError('unprocessable', `The path "${shown(path)}" is not valid: ${why}.`)
  if (path === '') throw bad('it is empty')
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw bad('it is too long')
  if (/[\x00-\x1f\x7f]/.test(path)) throw bad('it has control characters')
  if (/\p{Surrogate}/u.test(path)) throw bad('it is not Unicode text')
  if (path.startsWith('/') || /^[A-Za-z]:[\\/]/.test(path)) throw bad('it is absolute')
  // a backslash separates segments on the machines of some who check the repository out
  for (const segment of path.split(/[/\\]/)) {
    if (segment === '') throw bad('it has an empty segment')
    if (segment === '.' || segment === '..') throw bad(`"${segment}" is not allowed in it`)
    if (meansDotGit(segment)) throw bad('.git is not allowed in it')
  }
  const segments = path.split('/')
  if (segments.length > MAX_DEPTH) throw bad('it has too many folders')
  if (segments.some((it) => Buffer.byteLength(it) > MAX_SEGMENT_BYTES))
    throw bad('a segment is too long')
  return path
}

function shown(path: string): string {
  const text = path.replace(/[\x00-\x1f\x7f]/g, '?').replace(/\p{Surrogate}/gu, '?')
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}
