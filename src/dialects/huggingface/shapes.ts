import type { Entry } from '../../domain/content/contents.js'
import type { FileShape } from '../../domain/content/encoded-files.js'
import type { CommitInfo } from '../../domain/ports.js'
import type { GateMode, LfsOid, Repo, RepoFile, User } from '../../domain/types.js'
import { trimEnd } from '../../lib/trim-ends.js'

/** Pieces of answers that several routes share (huggingface-wire B2.1, C3.3). */

/** `_id`: 24 hex digits, which JavaScript clients take for the id. */
export function hexId(repo: Repo): string {
  return toHexId(repo.seq)
}

/** The same of an account's number. */
export function toHexId(id: number): string {
  return id.toString(16).padStart(24, '0')
}

/** A user as lists show one (huggingface-wire B11). */
export function toUserJson(user: User, base: string) {
  return {
    user: user.name,
    fullname: user.fullname ?? user.name,
    avatarUrl: `${base}/api/users/${user.name}/avatar`,
    isPro: false,
    type: 'user',
  }
}

export function idOf(repo: Repo): string {
  return `${repo.namespace}/${repo.name}`
}

export function gatedOf(gate: GateMode): false | 'auto' | 'manual' {
  return gate === 'none' ? false : gate
}

export function lastModifiedOf(repo: Repo): string {
  return repo.headAt ?? repo.createdAt
}

export interface LastCommit {
  readonly id: string
  readonly title: string
  readonly date: string
}

/** `xetHashes`: of the LFS objects that are stored in chunks, by oid. */
export function toTreeEntry(entry: Entry, xetHashes: ReadonlyMap<LfsOid, string>) {
  if (entry.type === 'directory')
    return { type: 'directory', oid: entry.oid, size: 0, path: entry.path }
  const xetHash = entry.lfsOid ? xetHashes.get(entry.lfsOid) : undefined
  return {
    type: 'file',
    oid: entry.blobOid,
    size: entry.size,
    ...(entry.lfsOid
      ? { lfs: { oid: entry.lfsOid, size: entry.size, pointerSize: entry.pointerSize ?? 0 } }
      : {}),
    ...(xetHash ? { xetHash } : {}),
    path: entry.path,
  }
}

/** Files as `siblings`: as the usual answer has them, with `blobs`, and as lists have them. */
export const SIBLINGS: FileShape = { name: 'siblings', toJson: (it) => toSibling(it, false) }
export const SIBLINGS_WITH_BLOBS: FileShape = {
  name: 'siblings+blobs',
  toJson: (it) => toSibling(it, true),
}
export const SIBLING_NAMES: FileShape = {
  name: 'siblings-names',
  toJson: (it) => ({ rfilename: it.path }),
}

function toSibling(file: RepoFile, withBlobs: boolean) {
  return {
    rfilename: file.path,
    size: file.size,
    ...(withBlobs ? { blobId: file.blobOid } : {}),
    ...(file.lfsOid
      ? { lfs: { sha256: file.lfsOid, size: file.size, pointerSize: file.pointerSize ?? 0 } }
      : {}),
  }
}

/** First line, and what follows the empty line after it. */
export function splitMessage(message: string): { title: string; body: string } {
  const text = trimEnd(message, '\n')
  const end = text.indexOf('\n')
  if (end < 0) return { title: text, body: '' }
  return { title: text.slice(0, end), body: text.slice(end + 1).replace(/^\n+/, '') }
}

export function toLastCommit(commit: CommitInfo): LastCommit {
  return {
    id: commit.oid,
    title: splitMessage(commit.message).title,
    date: commit.committer.at,
  }
}
