import type { Committer } from '../commits/committer.js'
import { HubError } from '../errors.js'
import { commentEvent, discussionEvent, discussionOpened } from '../events/discussion-events.js'
import type { Discussion, DiscussionComment, Repo } from '../types.js'
import { commentEvents, updateEvents } from './change-events.js'
import {
  isWriter,
  type Participant,
  requireAuthorOrWriter,
  requireParticipant,
  requireWriter,
} from './permissions.js'
import type { DiscussionChangeSet, DiscussionEntry, DiscussionStore, NewEntry } from './ports.js'
import { checkComment, checkTitle } from './texts.js'

const MAX_ATTEMPTS = 10
type Status = Discussion['status']

/** What is said in discussions and pull requests, and how they stand. Throws `not_found` for unknown numbers and comments. */
export class Discussions {
  readonly #store: DiscussionStore
  readonly #committer: Committer

  constructor(parts: { discussions: DiscussionStore; committer: Committer }) {
    this.#store = parts.discussions
    this.#committer = parts.committer
  }

  async read(repo: Repo, num: number): Promise<Discussion> {
    const found = await this.#store.find(repo.id, num)
    if (!found) throw new HubError('not_found', `There is no discussion ${num}.`)
    return found
  }

  async open(
    repo: Repo,
    order: { title: string; description: string },
    who: Participant,
  ): Promise<Discussion> {
    const author = requireParticipant(repo, who)
    return this.#store.create(
      {
        repoId: repo.id,
        title: checkTitle(order.title),
        description: checkComment(order.description, { mayBeEmpty: true }),
        isPullRequest: false,
        status: 'open',
        authorId: author.id,
        baseRef: null,
      },
      (made, first) => discussionOpened(who.actor, repo, made, first),
    )
  }

  async comment(
    repo: Repo,
    num: number,
    content: string,
    who: Participant,
  ): Promise<DiscussionEntry> {
    const author = requireParticipant(repo, who)
    const text = checkComment(content)
    return this.#change(repo, num, (it) => {
      if (it.locked && !isWriter(who))
        throw new HubError(
          'forbidden',
          `Discussion ${num} is locked: only those who may write to the repository can comment.`,
        )
      return {
        expect: { locked: it.locked },
        set: {},
        entries: [{ type: 'comment', authorId: author.id, content: text }],
        events: commentEvents(repo, who.actor),
      }
    })
  }

  /** Authors edit their own comments. Throws `conflict` when it is hidden. */
  async edit(
    repo: Repo,
    num: number,
    id: string,
    content: string,
    who: Participant,
  ): Promise<DiscussionComment> {
    const author = requireParticipant(repo, who)
    const { discussion, comment } = await this.#readComment(repo, num, id)
    if (comment.authorId !== author.id)
      throw new HubError('forbidden', 'Only its author can edit a comment.')
    const edited = await this.#store.editComment(comment.id, checkComment(content), (now) => [
      commentEvent('discussion.comment.update', who.actor, repo, discussion, now),
    ])
    if (!edited) throw new HubError('conflict', 'A hidden comment cannot be edited.')
    return edited
  }

  /** For good: the text and its history are dropped. Hiding what is hidden changes nothing. */
  async hide(repo: Repo, num: number, id: string, who: Participant): Promise<DiscussionComment> {
    requireWriter(repo, who, 'hide comments')
    const { discussion, comment } = await this.#readComment(repo, num, id)
    const hidden = await this.#store.hideComment(comment.id, (now) => [
      commentEvent('discussion.comment.update', who.actor, repo, discussion, now),
    ])
    return hidden ?? (await this.#readComment(repo, num, id)).comment
  }

  async rename(repo: Repo, num: number, title: string, who: Participant): Promise<DiscussionEntry> {
    const to = checkTitle(title)
    return this.#change(repo, num, (it) => {
      requireAuthorOrWriter(repo, it, who, 'rename it')
      return {
        expect: { title: it.title },
        set: { title: to },
        entries: [{ type: 'title-change', ...by(who), data: { from: it.title, to } }],
        events: updateEvents(repo, who.actor, 'title'),
      }
    })
  }

  /** Throws `conflict` for what is merged or has this status already, `invalid_input` for a discussion as a draft. */
  async changeStatus(
    repo: Repo,
    num: number,
    order: { status: Exclude<Status, 'merged'>; comment?: string | undefined },
    who: Participant,
  ): Promise<DiscussionEntry> {
    const { status } = order
    const comment = checkComment(order.comment ?? '', { mayBeEmpty: true })
    return this.#change(repo, num, (it) => {
      requireAuthorOrWriter(repo, it, who, 'change its status')
      if (comment !== '') requireParticipant(repo, who)
      if (status === 'draft' && !it.isPullRequest)
        throw new HubError('invalid_input', 'Only a pull request can be a draft.')
      if (it.status === 'merged' || it.status === status)
        throw new HubError('conflict', `Discussion ${num} is ${it.status} already.`)
      const said: NewEntry[] =
        comment === '' ? [] : [{ type: 'comment', ...by(who), content: comment }]
      return {
        expect: { status: it.status },
        set: { status },
        entries: [...said, { type: 'status-change', ...by(who), data: { status } }],
        events: updateEvents(repo, who.actor, 'status'),
      }
    })
  }

  async pin(repo: Repo, num: number, pinned: boolean, who: Participant): Promise<Discussion> {
    requireWriter(repo, who, 'pin discussions')
    return this.#flag(repo, num, (it) =>
      it.pinned === pinned
        ? undefined
        : {
            expect: { pinned: it.pinned },
            set: { pinned },
            entries: [{ type: 'pinning-change', ...by(who), data: { pinned } }],
            events: updateEvents(repo, who.actor, 'pin'),
          },
    )
  }

  async lock(repo: Repo, num: number, locked: boolean, who: Participant): Promise<Discussion> {
    requireWriter(repo, who, 'lock discussions')
    return this.#flag(repo, num, (it) =>
      it.locked === locked
        ? undefined
        : {
            expect: { locked: it.locked },
            set: { locked },
            entries: [{ type: 'locking-change', ...by(who), data: { locked } }],
            events: updateEvents(repo, who.actor, 'lock'),
          },
    )
  }

  /** For good, with the ref of a pull request. Needs the right to administrate; the number stays taken. */
  async remove(repo: Repo, num: number, { actor, right }: Participant): Promise<void> {
    if (right !== 'admin')
      throw new HubError('forbidden', 'Only admins of the repository can delete a discussion.')
    const discussion = await this.read(repo, num)
    await this.#store.remove(repo.id, num, [
      discussionEvent('discussion.delete', actor, repo, discussion),
    ])
    const name = discussion.headRef
    if (!name) return
    await this.#committer.changeRefs(repo, [name], actor, async ({ refs }) => {
      const oldOid = refs.find((it) => it.name === name)?.oid
      return oldOid ? [{ name, oldOid, newOid: null }] : []
    })
  }

  async #flag(
    repo: Repo,
    num: number,
    plan: (it: Discussion) => Planned | undefined,
  ): Promise<Discussion> {
    const planned = plan(await this.read(repo, num))
    // somebody else was quicker: it is as they wanted it
    if (planned) await this.#store.change(repo.id, { num, ...planned })
    return this.read(repo, num)
  }

  /** Plans again when the discussion changed meanwhile. Answers the last of the new entries. */
  async #change(
    repo: Repo,
    num: number,
    plan: (it: Discussion) => Planned,
  ): Promise<DiscussionEntry> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const planned = plan(await this.read(repo, num))
      const made = (await this.#store.change(repo.id, { num, ...planned }))?.at(-1)
      if (made) return made
    }
    throw new HubError('busy', 'The discussion changes too fast, try again.')
  }

  async #readComment(repo: Repo, num: number, id: string) {
    const discussion = await this.read(repo, num)
    const comment = await this.#store.findComment(repo.id, num, id.toLowerCase())
    if (!comment) throw new HubError('not_found', `Discussion ${num} has no such comment.`)
    return { discussion, comment }
  }
}

type Planned = Omit<DiscussionChangeSet, 'num'>

const by = ({ actor }: Participant) => ({ authorId: actor.caller.user?.id ?? null })
