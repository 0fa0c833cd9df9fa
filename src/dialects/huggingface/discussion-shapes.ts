import type { CommentVersion, DiscussionEntry } from '../../domain/discussions/ports.js'
import type { Discussion, DiscussionComment, Repo } from '../../domain/types.js'
import { idOf } from './shapes.js'

const HIDDEN = 'This comment has been hidden'

/** huggingface-wire B5.1 */
export function toDiscussion(repo: Repo, it: Discussion) {
  return {
    num: it.num,
    id: it.id,
    title: it.title,
    ...authorOf(it.authorName),
    createdAt: it.createdAt,
    status: it.status,
    repo: { name: idOf(repo), type: repo.kind },
    isPullRequest: it.isPullRequest,
    numComments: it.numComments,
    pinned: it.pinned,
    locked: it.locked,
  }
}

/** huggingface-wire B5.2. `versions`: of an edited comment, the former ones. */
export function toEvent(it: DiscussionEntry, versions: readonly CommentVersion[] = []) {
  if (it.type === 'comment') return toCommentEvent(it.comment, versions)
  return {
    id: it.id,
    type: it.type,
    createdAt: it.createdAt,
    ...authorOf(it.authorName),
    data: it.data,
  }
}

export function toCommentEvent(it: DiscussionComment, versions: readonly CommentVersion[]) {
  const content = it.hidden ? HIDDEN : it.content
  return {
    id: it.id,
    type: 'comment',
    createdAt: it.createdAt,
    ...authorOf(it.authorName),
    data: {
      edited: it.edited,
      hidden: it.hidden,
      latest: toText(content, it.updatedAt, it.authorName),
      history: versions.map(({ content, at, authorName }) => toText(content, at, authorName)),
      numEdits: versions.length,
    },
  }
}

function toText(raw: string, updatedAt: string, author: string | null) {
  return { raw, html: htmlOf(raw), updatedAt, ...authorOf(author) }
}

/** The text as it was written: nothing in it is markup of ours. */
function htmlOf(text: string): string {
  const escaped = text.replace(/[&<>"']/g, (it) => `&#${it.charCodeAt(0)};`)
  return `<p>${escaped.replace(/\n/g, '<br>')}</p>`
}

/** The key stays away when the account is gone: clients fall over `null` (huggingface-wire 0.1, rule 9). */
function authorOf(name: string | null): { author?: { name: string; type: 'user' } } {
  return name === null ? {} : { author: { name, type: 'user' } }
}
