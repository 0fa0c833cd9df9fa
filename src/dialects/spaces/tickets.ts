import type { Request } from 'express'
import type { OpenedRepo } from '../../domain/access/access.js'
import { HubError } from '../../domain/errors.js'
import type { Caller, Repo } from '../../domain/types.js'
import type { SpacesParts } from './parts.js'

const TICKET_SECONDS = 12 * 3600

/** `~{ticket}/path` below a Space; anything else is a path. */
export function splitTicket(rest: string): { ticket: string | undefined; rest: string } {
  const match = /^~([\w-]+\.[\w-]+\.[\w-]+)(?:\/(.*))?$/s.exec(rest)
  return match ? { ticket: match[1], rest: match[2] ?? '' } : { ticket: undefined, rest }
}

/** To look at one Space as this caller, for half a day. */
export function ticketFor({ signer }: SpacesParts, caller: Caller, repo: Repo): string {
  const siteAdmin = caller.isSiteAdmin && !caller.user
  return signer.sign(
    {
      op: 'space.view',
      repoId: repo.id,
      oid: '',
      size: 0,
      userId: caller.user?.id ?? null,
      role: 'read',
      ...(siteAdmin ? { siteAdmin } : {}),
    },
    TICKET_SECONDS,
  )
}

/** The right is the holder's, looked up anew: who lost it sees nothing more. */
export async function openByTicket(
  parts: SpacesParts,
  req: Request,
  ticket: string,
): Promise<OpenedRepo> {
  const { repoId, userId, siteAdmin } = parts.signer.verify(ticket, 'space.view')
  const address = req.ip ?? ''
  const anonymous = parts.login.anonymous(address)
  const user = userId === null ? undefined : await parts.login.byUserId(userId, 'read', address)
  const caller: Caller =
    user ?? (siteAdmin ? { ...anonymous, isSiteAdmin: true, via: 'signed' } : anonymous)
  const repo = await parts.stores.repos.findById(repoId)
  if (!repo) throw new HubError('repo_not_found', 'Repository not found')
  const opened = await parts.access.openRepo(caller, repo, 'read')
  await parts.access.requireContent(caller, opened)
  return opened
}
