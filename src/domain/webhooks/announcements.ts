import type { CommentEventData, DiscussionEventData } from '../events/discussion-events.js'
import type { EventType } from '../events/events.js'
import type { HubEvent, RefUpdate, Visibility } from '../types.js'
import type { Announcement, SiteChange } from './ports.js'

const CONFIG = { domain: 'repo', scope: 'repo.config', action: 'update' } as const

type Tell = (event: HubEvent) => Announcement | undefined

/**
 * What webhooks are told of the hub's events (huggingface-wire C7). A squash is told by the refs it moves; the rest
 * (tokens, organisations, packages, locks) is nobody's business but the audit log's.
 */
const TOLD: Partial<Record<EventType, Tell>> = {
  'repo.create': () => ({ domain: 'repo', scope: 'repo', action: 'create' }),
  // a creation that failed was never there for anybody
  'repo.delete': ({ data }) =>
    data.why === undefined ? { domain: 'repo', scope: 'repo', action: 'delete' } : undefined,
  'repo.move': ({ data }) => ({
    domain: 'repo',
    scope: 'repo',
    action: 'move',
    movedTo: String(data.to),
  }),
  'repo.settings': (event) => {
    const visibility = event.data.visibility as Visibility | undefined
    return visibility && visibilityBefore(event)
      ? { ...CONFIG, updatedConfig: { private: visibility !== 'public' } }
      : CONFIG
  },
  'repo.refs': ({ data }) => ({
    domain: 'repo',
    scope: 'repo.content',
    action: 'update',
    updatedRefs: data.updates as readonly RefUpdate[],
  }),
  'discussion.create': (event) => ofDiscussion(event, 'create'),
  'discussion.update': (event) => ofDiscussion(event, 'update'),
  'discussion.delete': (event) => ofDiscussion(event, 'delete'),
  'discussion.comment.create': (event) => ofComment(event, 'create'),
  'discussion.comment.update': (event) => ofComment(event, 'update'),
}

export function announcementOf(event: HubEvent): Announcement | undefined {
  return TOLD[event.type as EventType]?.(event)
}

/** What the site-level subscription of seed 001 is told: public models that come, change and go. */
export function siteChangesOf(
  event: HubEvent,
  told: Announcement,
  now: { readonly visibility: Visibility; readonly address: string },
): SiteChange[] {
  const isPublic = now.visibility === 'public'
  const wasPublic = (visibilityBefore(event) ?? now.visibility) === 'public'
  if (told.domain !== 'repo' || !event.repo) return []
  const before = `${event.repo.namespace}/${event.repo.name}`
  if (isPublic !== wasPublic) return [{ change: isPublic ? 'add' : 'remove', address: now.address }]
  if (!isPublic) return []
  switch (told.action) {
    case 'create':
      return [{ change: 'add', address: now.address }]
    case 'delete':
      return [{ change: 'remove', address: before }]
    case 'move':
      return [
        { change: 'remove', address: before },
        { change: 'add', address: now.address },
      ]
    default:
      return [{ change: 'update', address: now.address }]
  }
}

/** Set by the store, in the transaction that changes it, when the visibility really changes. */
function visibilityBefore(event: HubEvent): Visibility | undefined {
  return event.data.visibilityBefore as Visibility | undefined
}

function ofDiscussion(event: HubEvent, action: 'create' | 'update' | 'delete'): Announcement {
  const { discussion, comment } = event.data as unknown as DiscussionEventData
  const said = comment ? { comment } : {}
  return { domain: 'discussion', scope: 'discussion', action, discussion, ...said }
}

function ofComment(event: HubEvent, action: 'create' | 'update'): Announcement {
  const { discussion, comment } = event.data as unknown as CommentEventData
  return { domain: 'discussion', scope: 'discussion.comment', action, discussion, comment }
}
