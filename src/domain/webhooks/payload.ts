import { createHmac } from 'node:crypto'
import type { ClaimedDelivery, WebhookEvent } from './ports.js'

const PREFIX = { model: '', dataset: 'datasets/', space: 'spaces/' } as const

/** The body of version 3 (huggingface-wire C7), or the one line of seed 001's subscription. */
export function payloadOf(
  { event, siteChange, webhook }: Pick<ClaimedDelivery, 'event' | 'siteChange' | 'webhook'>,
  baseUrl: string,
): Record<string, unknown> {
  if (siteChange) return { [siteChange.change]: siteChange.address }
  const { told } = event
  return {
    event: { action: told.action, scope: told.scope },
    repo: repoOf(event, baseUrl),
    ...discussionOf(event, baseUrl),
    ...(told.updatedRefs
      ? {
          updatedRefs: told.updatedRefs.map((it) => ({
            ref: it.name,
            oldSha: it.oldOid,
            newSha: it.newOid,
          })),
        }
      : {}),
    ...(told.updatedConfig ? { updatedConfig: told.updatedConfig } : {}),
    ...(told.movedTo
      ? {
          movedTo: {
            name: told.movedTo,
            owner: { id: String(event.owners?.to ?? event.repo.namespaceId) },
          },
        }
      : {}),
    webhook: { id: webhook.id, version: 3 },
  }
}

function urlsOf({ repo }: WebhookEvent, baseUrl: string, below = '') {
  const name = `${repo.namespace}/${repo.name}`
  return {
    web: `${baseUrl}/${PREFIX[repo.kind]}${name}${below}`,
    api: `${baseUrl}/api/${repo.kind}s/${name}${below}`,
  }
}

function repoOf(event: WebhookEvent, baseUrl: string) {
  const { repo } = event
  return {
    type: repo.kind,
    name: `${repo.namespace}/${repo.name}`,
    // as `_id` of the repository's own routes
    id: repo.seq.toString(16).padStart(24, '0'),
    private: repo.visibility !== 'public',
    url: urlsOf(event, baseUrl),
    owner: { id: String(event.owners?.from ?? repo.namespaceId) },
    ...(repo.headOid ? { headSha: repo.headOid } : {}),
    tags: repo.tags,
  }
}

function discussionOf(event: WebhookEvent, baseUrl: string) {
  const { discussion, comment } = event.told
  if (!discussion) return {}
  const url = urlsOf(event, baseUrl, `/discussions/${discussion.num}`)
  const { base, mergeCommitId } = discussion
  return {
    discussion: {
      id: discussion.id,
      num: discussion.num,
      title: discussion.title,
      status: discussion.status,
      isPullRequest: discussion.isPullRequest,
      author: { id: String(discussion.authorId ?? '') },
      url,
      ...(base ? { changes: { base, ...(mergeCommitId ? { mergeCommitId } : {}) } } : {}),
      pinned: discussion.pinned,
    },
    ...(comment
      ? {
          comment: {
            id: comment.id,
            author: { id: String(comment.authorId ?? '') },
            ...(comment.hidden ? {} : { content: comment.content ?? '' }),
            hidden: comment.hidden,
            url: { web: `${url.web}#${comment.id}` },
          },
        }
      : {}),
  }
}

/** `X-Webhook-Signature` is ours: it proves the body where `X-Webhook-Secret` proves only the sender. */
export function headersOf(
  delivery: Pick<ClaimedDelivery, 'id' | 'webhook' | 'attempts'>,
  body: Buffer,
  secret: string | undefined,
): Record<string, string> {
  return {
    'Content-Type': 'application/json',
    'User-Agent': 'Packhorse-Webhook',
    'X-Webhook-Id': delivery.webhook.id,
    'X-Webhook-Delivery': String(delivery.id),
    'X-Webhook-Attempt': String(delivery.attempts + 1),
    ...(secret === undefined
      ? {}
      : {
          'X-Webhook-Secret': secret,
          'X-Webhook-Signature': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
        }),
  }
}
