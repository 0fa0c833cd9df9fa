import { z } from 'zod'
import { HubError } from '../../domain/errors.js'
import type { OrgRole, Repo } from '../../domain/types.js'
import { parseKind } from '../../protocol/repo-path.js'
import type { KohakuRequest } from './parts.js'

export const Kind = z
  .string()
  .nullish()
  .transform((v, ctx) => {
    const kind = parseKind(v ?? 'model')
    if (!kind) ctx.addIssue({ code: 'custom', message: 'must be model, dataset or space' })
    return kind ?? 'model'
  })

/** KohakuHub's role names, and the other dialects'. */
const ROLE_OF: Readonly<Record<string, OrgRole>> = {
  visitor: 'reader',
  reader: 'reader',
  read: 'reader',
  member: 'contributor',
  contributor: 'contributor',
  write: 'contributor',
  maintainer: 'maintainer',
  admin: 'admin',
  'super-admin': 'owner',
  owner: 'owner',
}

const NAME_OF: Readonly<Record<OrgRole, string>> = {
  reader: 'visitor',
  contributor: 'member',
  maintainer: 'maintainer',
  admin: 'admin',
  owner: 'super-admin',
}

export const Role = z.string().transform((v, ctx) => {
  const role = ROLE_OF[v.toLowerCase()]
  if (!role)
    ctx.addIssue({ code: 'custom', message: 'must be visitor, member, admin or super-admin' })
  return role ?? 'reader'
})

export function roleName(role: OrgRole): string {
  return NAME_OF[role]
}

/** A repository in KohakuHub's lists. */
export function listed(repo: Repo) {
  const id = `${repo.namespace}/${repo.name}`
  return {
    _id: repo.seq,
    id,
    ...(repo.kind === 'model' ? { modelId: id } : {}),
    author: repo.namespace,
    private: repo.visibility !== 'public',
    sha: repo.headOid,
    lastModified: repo.updatedAt,
    createdAt: repo.createdAt,
    downloads: repo.downloads,
    likes: repo.likes,
    gated: repo.gate === 'none' ? false : repo.gate,
    tags: [],
  }
}

/** A whole number of the query string. Throws `unprocessable`, as KohakuHub's validation answers 422. */
export function intQuery(
  { req }: Pick<KohakuRequest, 'req'>,
  name: string,
  range: { min: number; max: number; default: number },
): number {
  const text = req.query[name]
  if (text === undefined) return range.default
  const value = typeof text === 'string' && /^-?\d{1,12}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= range.min && value <= range.max))
    throw new HubError(
      'unprocessable',
      `${name} must be a whole number from ${range.min} to ${range.max}.`,
    )
  return value
}

/** One of some words of the query string. Throws `unprocessable`. */
export function wordQuery<T extends string>(
  { req }: Pick<KohakuRequest, 'req'>,
  name: string,
  words: readonly T[],
  standard: T,
): T {
  const text = req.query[name]
  if (text === undefined) return standard
  const word = words.find((it) => it === text)
  if (!word) throw new HubError('unprocessable', `${name} must be one of ${words.join(', ')}.`)
  return word
}
