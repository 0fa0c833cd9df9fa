import {
  commentEvent,
  type DiscussionChange,
  discussionEvent,
} from '../events/discussion-events.js'
import type { Actor } from '../events/events.js'
import type { HubEvent, Repo } from '../types.js'
import type { DiscussionChangeSet } from './ports.js'

/** The new comments among the entries. */
export function commentEvents(repo: Repo, actor: Actor): DiscussionChangeSet['events'] {
  return (now, made) =>
    made.flatMap((it) =>
      it.type === 'comment'
        ? [commentEvent('discussion.comment.create', actor, repo, now, it.comment)]
        : [],
    )
}

/** The change, behind what was said with it. */
export function updateEvents(
  repo: Repo,
  actor: Actor,
  change: DiscussionChange,
): DiscussionChangeSet['events'] {
  return (now, made): HubEvent[] => [
    ...commentEvents(repo, actor)(now, made),
    discussionEvent('discussion.update', actor, repo, now, change),
  ]
}
