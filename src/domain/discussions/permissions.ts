import { requireProposer, requireUser } from '../access/access.js'
import { HubError } from '../errors.js'
import type { Actor } from '../events/events.js'
import type { Discussion, Repo, Right, User } from '../types.js'

/** Who acts on a discussion, and what that caller may do with its repository. */
export interface Participant {
  readonly actor: Actor
  readonly right: Right
}

/** Whoever reads a repository may open discussions and comment: logged in, with a token that may write. */
export function requireParticipant(repo: Repo, { actor }: Participant): User {
  requireProposer(actor.caller, repo)
  return requireUser(actor.caller)
}

export function isWriter({ right }: Participant): boolean {
  return right !== 'read'
}

/** Throws `forbidden` unless the caller may write to the repository. */
export function requireWriter(repo: Repo, who: Participant, what: string): void {
  requireProposer(who.actor.caller, repo)
  if (!isWriter(who))
    throw new HubError('forbidden', `Only those who may write to the repository can ${what}.`)
}

/** Throws `forbidden` unless the caller opened the discussion or may write to the repository. */
export function requireAuthorOrWriter(
  repo: Repo,
  discussion: Discussion,
  who: Participant,
  what: string,
): void {
  requireProposer(who.actor.caller, repo)
  const userId = who.actor.caller.user?.id
  if (isWriter(who) || (userId !== undefined && discussion.authorId === userId)) return
  throw new HubError(
    'forbidden',
    `Only the author of discussion ${discussion.num} and those who may write to the repository can ${what}.`,
  )
}
