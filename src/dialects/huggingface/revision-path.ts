import { HubError } from '../../domain/errors.js'
import type { GitOid, Repo } from '../../domain/types.js'
import type { HfParts } from './parts.js'

export interface At {
  readonly revision: string
  readonly commit: GitOid
  readonly path: string
}

/**
 * Reads `{rev}` or `{rev}/{path}`, still percent-encoded: Python sends the revision as one quoted segment, JavaScript
 * sends it raw, slashes and all (huggingface-wire A3). Throws `revision_not_found`.
 */
export async function readRevisionPath(parts: HfParts, repo: Repo, encoded: string): Promise<At> {
  const segments = encoded.split('/').map(decodeLoosely)
  const [first = '', ...others] = segments
  if (!first.includes('/')) return parts.revisions.readSplit(repo, segments.join('/'))
  const commit = await parts.revisions.read(repo, first)
  return { revision: first, path: others.join('/'), commit }
}

/** The commit of a revision, null where an empty repository is asked for its default branch. Throws `revision_not_found`. */
export async function readRevision(
  parts: HfParts,
  repo: Repo,
  revision: string,
): Promise<GitOid | null> {
  const commit = await parts.revisions.find(repo, revision)
  if (commit) return commit
  const { defaultBranch, headOid } = await parts.git.snapshot(repo.id)
  const isDefault = ['HEAD', defaultBranch, `refs/heads/${defaultBranch}`].includes(revision)
  if (headOid === null && isDefault) return null
  throw new HubError('revision_not_found', `Invalid rev id: ${revision.slice(0, 200)}`)
}

/** JavaScript sends `%` in file names as it is: what cannot be decoded is taken literally. */
export function decodeLoosely(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
