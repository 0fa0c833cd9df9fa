import type { Discussion, DiscussionComment, HubEvent, Repo } from '../types.js'
import { type Actor, makeEvent } from './events.js'

/** What changed in a `discussion.update`. */
export type DiscussionChange = 'title' | 'status' | 'merge' | 'pin' | 'lock'

/**
 * `data` of the events `discussion.create`, `.update` and `.delete` (huggingface-wire C7, scope `discussion`): the
 * discussion as it is after the change. The actor is in the event itself.
 */
export interface DiscussionEventData {
  readonly discussion: DiscussionFacts
  readonly change?: DiscussionChange
  /** What was said first, when it is created. */
  readonly comment?: CommentFacts
}

/** `data` of `discussion.comment.create` and `.update` (scope `discussion.comment`); the first comment has none of its own. */
export interface CommentEventData {
  readonly discussion: DiscussionFacts
  readonly comment: CommentFacts
}

export interface CommentFacts {
  /** 24 hex digits. */
  readonly id: string
  readonly authorId: number | null
  readonly authorName: string | null
  /** Absent when hidden. */
  readonly content?: string
  readonly hidden: boolean
  readonly edited: boolean
  readonly createdAt: string
}

export interface DiscussionFacts {
  /** 24 hex digits. */
  readonly id: string
  readonly num: number
  readonly title: string
  readonly status: Discussion['status']
  readonly isPullRequest: boolean
  readonly authorId: number | null
  readonly authorName: string | null
  readonly pinned: boolean
  readonly locked: boolean
  readonly createdAt: string
  /** Pull requests: full name of the branch to merge into. */
  readonly base?: string
  readonly mergeCommitId?: string
}

export function discussionOpened(
  actor: Actor,
  repo: Repo,
  discussion: Discussion,
  first: DiscussionComment | undefined,
): HubEvent {
  const data: DiscussionEventData = {
    discussion: factsOf(discussion),
    ...(first ? { comment: commentFacts(first) } : {}),
  }
  return makeEvent('discussion.create', actor, repo, { ...data })
}

export function discussionEvent(
  type: 'discussion.update' | 'discussion.delete',
  actor: Actor,
  repo: Repo,
  discussion: Discussion,
  change?: DiscussionChange,
): HubEvent {
  const data: DiscussionEventData = {
    discussion: factsOf(discussion),
    ...(change ? { change } : {}),
  }
  return makeEvent(type, actor, repo, { ...data })
}

export function commentEvent(
  type: 'discussion.comment.create' | 'discussion.comment.update',
  actor: Actor,
  repo: Repo,
  discussion: Discussion,
  comment: DiscussionComment,
): HubEvent {
  const data: CommentEventData = {
    discussion: factsOf(discussion),
    comment: commentFacts(comment),
  }
  return makeEvent(type, actor, repo, { ...data })
}

function commentFacts(it: DiscussionComment): CommentFacts {
  const { id, authorId, authorName, hidden, edited, createdAt, content } = it
  return { id, authorId, authorName, ...(hidden ? {} : { content }), hidden, edited, createdAt }
}

function factsOf(it: Discussion): DiscussionFacts {
  return {
    id: it.id,
    num: it.num,
    title: it.title,
    status: it.status,
    isPullRequest: it.isPullRequest,
    authorId: it.authorId,
    authorName: it.authorName,
    pinned: it.pinned,
    locked: it.locked,
    createdAt: it.createdAt,
    ...(it.baseRef ? { base: it.baseRef } : {}),
    ...(it.mergeOid ? { mergeCommitId: it.mergeOid } : {}),
  }
}
