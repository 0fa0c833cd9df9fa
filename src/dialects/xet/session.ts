import { HubError } from '../../domain/errors.js'
import type { XetRight, XetSession } from '../../domain/xet/tokens.js'
import { actAs } from '../../http/caller.js'
import type { XetRequest } from './parts.js'

/** The session behind `Authorization: Bearer <token>`. */
export async function openSession(
  { req, parts }: Pick<XetRequest, 'req' | 'parts'>,
  right: XetRight,
): Promise<XetSession> {
  const [, token] = /^bearer\s+(\S+)$/i.exec(req.get('authorization') ?? '') ?? []
  if (!token) throw new HubError('not_authenticated', 'A token is needed.')
  const session = await parts.tokens.open(token, right, req.ip ?? '')
  actAs(req, session.caller)
  return session
}
