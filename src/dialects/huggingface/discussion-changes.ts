import { z } from 'zod'
import { check, readJson } from '../../http/body.js'
import { toCommentEvent, toDiscussion, toEvent } from './discussion-shapes.js'
import { MAX_BODY, participantOf } from './discussions.js'
import type { HfRequest, RepoRoute } from './parts.js'

const text = () => z.string().max(MAX_BODY)
const CommentBody = z.object({ comment: text() })
const EditBody = z.object({ content: text() })
const TitleBody = z.object({ title: text() })
const StatusBody = z.object({
  status: z.enum(['open', 'closed', 'draft']),
  comment: text().nullish(),
})
const MergeBody = z
  .object({
    comment: text().nullish(),
    /** Ours, as `message`. */
    method: z.enum(['merge', 'squash', 'rebase']).nullish(),
    message: z.string().max(100_000).nullish(),
  })
  .nullish()
const PinBody = z.object({ pinned: z.boolean() })
const LockBody = z.object({ locked: z.boolean() })

const at = (rest: string) => new RegExp(`^discussions\\/(\\d{1,9})${rest}$`)

/** Changes of discussions (huggingface-wire B5). Who may do what beyond reading is decided in the domain. */
export const discussionChangeRoutes: readonly RepoRoute[] = [
  { method: 'POST', path: at('\\/comment'), right: 'read', handle: comment },
  { method: 'POST', path: at('\\/comment\\/([^/]+)\\/edit'), right: 'read', handle: edit },
  { method: 'POST', path: at('\\/comment\\/([^/]+)\\/hide'), right: 'write', handle: hide },
  { method: 'POST', path: at('\\/title'), right: 'read', handle: rename },
  { method: 'POST', path: at('\\/status'), right: 'read', handle: changeStatus },
  { method: 'POST', path: at('\\/merge'), right: 'write', handle: merge },
  { method: 'POST', path: at('\\/pin'), right: 'write', handle: pin },
  { method: 'POST', path: at('\\/lock'), right: 'write', handle: lock },
  { method: 'DELETE', path: at(''), right: 'admin', handle: remove },
]

async function comment(it: HfRequest): Promise<void> {
  const who = participantOf(it)
  const { parts, opened, res } = it
  const body = check(CommentBody, await readJson(it.req, MAX_BODY))
  const made = await parts.discussions.comment(opened.repo, numOf(it), body.comment, who)
  res.json({ newMessage: toEvent(made) })
}

async function edit(it: HfRequest): Promise<void> {
  const who = participantOf(it)
  const { parts, opened, params, res } = it
  const { content } = check(EditBody, await readJson(it.req, MAX_BODY))
  const id = params[1] ?? ''
  const edited = await parts.discussions.edit(opened.repo, numOf(it), id, content, who)
  const versions = await parts.stores.discussions.listVersions(edited.id)
  res.json({ updatedComment: toCommentEvent(edited, versions) })
}

async function hide(it: HfRequest): Promise<void> {
  const who = participantOf(it)
  const { parts, opened, params, res } = it
  const id = params[1] ?? ''
  const hidden = await parts.discussions.hide(opened.repo, numOf(it), id, who)
  res.json({ updatedComment: toCommentEvent(hidden, []) })
}

async function rename(it: HfRequest): Promise<void> {
  const who = participantOf(it)
  const { parts, opened, res } = it
  const { title } = check(TitleBody, await readJson(it.req, MAX_BODY))
  const made = await parts.discussions.rename(opened.repo, numOf(it), title, who)
  res.json({ newTitle: toEvent(made) })
}

async function changeStatus(it: HfRequest): Promise<void> {
  const who = participantOf(it)
  const { parts, opened, res } = it
  const body = check(StatusBody, await readJson(it.req, MAX_BODY))
  const order = { status: body.status, comment: body.comment ?? undefined }
  const made = await parts.discussions.changeStatus(opened.repo, numOf(it), order, who)
  res.json({ newStatus: toEvent(made) })
}

async function merge(it: HfRequest): Promise<void> {
  const who = participantOf(it)
  const { parts, opened, res } = it
  const body = check(MergeBody, await readJson(it.req, MAX_BODY)) ?? {}
  const order = {
    method: body.method ?? 'merge',
    comment: body.comment ?? undefined,
    message: body.message ?? undefined,
  } as const
  const num = numOf(it)
  const mergeCommitId = await parts.pullMerges.merge(opened.repo, num, order, who)
  res.json({ success: true, status: 'merged', mergeCommitId })
}

async function pin(it: HfRequest): Promise<void> {
  const who = participantOf(it)
  const { parts, opened, res } = it
  const { pinned } = check(PinBody, await readJson(it.req, MAX_BODY))
  const now = await parts.discussions.pin(opened.repo, numOf(it), pinned, who)
  res.json(toDiscussion(opened.repo, now))
}

async function lock(it: HfRequest): Promise<void> {
  const who = participantOf(it)
  const { parts, opened, res } = it
  const { locked } = check(LockBody, await readJson(it.req, MAX_BODY))
  const now = await parts.discussions.lock(opened.repo, numOf(it), locked, who)
  res.json(toDiscussion(opened.repo, now))
}

async function remove(it: HfRequest): Promise<void> {
  const who = participantOf(it)
  await it.parts.discussions.remove(it.opened.repo, numOf(it), who)
  it.res.json({ success: true })
}

function numOf({ params }: HfRequest): number {
  return Number(params[0])
}
