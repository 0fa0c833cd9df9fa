import type { Namespace } from '../../domain/types.js'
import { echo, idOf } from './input.js'
import type { AbfRequest } from './parts.js'

/** `member_id` with `type` User or Group, or of the one type that there can be. */
export function readMember(
  { parts, params }: AbfRequest,
  type: unknown = params.type,
): Promise<Namespace | undefined> {
  return parts.packages.platforms.findMember(type, idOf(params.member_id))
}

/** `User '34'`, as the caller wrote it. */
export function nameOf({ params }: AbfRequest, type: unknown = params.type): string {
  return `${echo(type)} '${echo(params.member_id)}'`
}
