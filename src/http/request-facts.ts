import type { Request, RequestHandler, Router } from 'express'
import { parseKind, parseRepoPath } from '../protocol/repo-path.js'
import { wrapping } from './route-list.js'

/** Which dialect a request was for; the values are a metric label, so the set is closed. */
export const DIALECTS = [
  'hub',
  'git',
  'lfs',
  'huggingface',
  'kohaku',
  'outpost',
  'abf',
  'xet',
  'spaces',
  'none',
] as const
export type Dialect = (typeof DIALECTS)[number]

const DIALECT_OF = new WeakMap<object, Dialect>()

/** Marks what reaches `router`; of several that let a request pass, the last one answered it. */
export function asDialect(dialect: Dialect, router: Router): RequestHandler {
  const handler: RequestHandler = (req, res, next) => {
    const before = dialectOf(req)
    DIALECT_OF.set(req, dialect)
    router(req, res, (err?: unknown) => {
      if (!err) DIALECT_OF.set(req, before)
      next(err)
    })
  }
  return wrapping(handler, router)
}

export function dialectOf(req: object): Dialect {
  return DIALECT_OF.get(req) ?? 'none'
}

const API_REPO = /^\/api\/(\w+)\/([\w.-]+)\/([\w.-]+)(?:\/|$)/

/** The repository that a path names, as kind/namespace/name, for the log; undefined when it names none. */
export function repoOfPath(path: string): string | undefined {
  const [, type, owner, name] = API_REPO.exec(path) ?? []
  const kind = parseKind(type)
  if (kind) return `${kind}/${owner}/${name}`
  const found = path.startsWith('/api/') ? undefined : parseRepoPath(path)
  return found && `${found.kind}/${found.namespace}/${found.name}`
}

/** Tokens, invitations, and the tickets that carry the right to look at a Space (`/~ticket/`, three parts of base64url). */
const SECRETS = /\b(hf_|inv_)[A-Za-z0-9]{20,}|(\/(?:~|%7e))[\w-]+\.[\w-]+\.[\w-]+/gi

/** A request's path for the log: without the query, and with anything that looks like a secret of ours taken out. */
export function loggablePath(req: Pick<Request, 'url'> & { originalUrl?: string }): string {
  const path = (req.originalUrl ?? req.url).split('?')[0] ?? ''
  const shown = path.replace(SECRETS, (_, token = '', ticket = '') => `${token}${ticket}***`)
  return shown.slice(0, 2_000)
}
