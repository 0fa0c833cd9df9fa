import type { Request, Router } from 'express'
import { z } from 'zod'
import { requireUser } from '../../domain/access/access.js'
import { HubError } from '../../domain/errors.js'
import type { Repo, RepoAddress } from '../../domain/types.js'
import { check, readJson } from '../../http/body.js'
import { callerOf } from '../../http/caller.js'
import { parseKind, repoUrlPath } from '../../protocol/repo-path.js'
import type { KohakuParts } from './parts.js'

const MAX_BODY = 10 * 1024 * 1024
const DIALECT = 'huggingface'

const Kind = z
  .string()
  .nullish()
  .transform((v, ctx) => {
    const kind = parseKind(v ?? 'model')
    if (!kind) ctx.addIssue({ code: 'custom', message: 'must be model, dataset or space' })
    return kind ?? 'model'
  })

const CreateBody = z.object({
  type: Kind,
  name: z.string(),
  organization: z.string().nullish(),
  private: z.boolean().nullish(),
  visibility: z.enum(['public', 'private', 'internal', 'protected']).nullish(),
  sdk: z.string().max(40).nullish(),
  auto_init: z.boolean().nullish(),
  object_format: z.enum(['sha1', 'sha256']).nullish(),
  default_branch: z.string().nullish(),
})
const DeleteBody = z.object({ type: Kind, name: z.string(), organization: z.string().nullish() })
const MoveBody = z.object({ type: Kind, fromRepo: z.string(), toRepo: z.string() })
const SquashBody = z.object({ type: Kind, repo: z.string() })

export function repoRoutes(router: Router, parts: KohakuParts): void {
  const urlOf = (req: Request, repo: RepoAddress) => `${parts.baseUrl(req)}${repoUrlPath(repo)}`

  router.post('/api/repos/create', async (req, res) => {
    const caller = callerOf(req)
    const body = check(CreateBody, await readJson(req, MAX_BODY))
    const namespace = body.organization ?? requireUser(caller).name
    const visibility =
      body.private === true || body.visibility === 'protected'
        ? 'private'
        : body.private === false
          ? 'public'
          : (body.visibility ?? 'public')
    try {
      const repo = await parts.registry.create(
        {
          kind: body.type,
          namespace,
          name: body.name.includes('/') ? (body.name.split('/').pop() ?? '') : body.name,
          visibility,
          sdk: body.sdk ?? undefined,
          objectFormat: body.object_format ?? undefined,
          defaultBranch: body.default_branch ?? undefined,
          start: body.auto_init === false ? 'unborn' : 'usual',
        },
        { caller, dialect: DIALECT },
      )
      const id = `${repo.namespace}/${repo.name}`
      res.json({ url: urlOf(req, repo), repo_id: id, id: repo.id, name: id })
    } catch (err) {
      throw err instanceof HubError && err.code === 'repo_exists' ? withUrl(err, req) : err
    }
  })

  /** Clients with exist_ok read `url` off the refusal (huggingface-wire 0.1, rule 5). */
  function withUrl(err: HubError, req: Request): HubError {
    const other = err.facts.other as Repo | undefined
    const facts = other && { url: urlOf(req, other), repo_id: `${other.namespace}/${other.name}` }
    return new HubError(err.code, err.message, facts)
  }

  router.delete('/api/repos/delete', async (req, res) => {
    const caller = callerOf(req)
    const body = check(DeleteBody, await readJson(req, MAX_BODY))
    if (!body.organization && !caller.user && caller.isSiteAdmin)
      throw new HubError('invalid_input', 'An admin must name the organization.')
    const [first = '', second] = body.name.split('/')
    const namespace = second ? first : (body.organization ?? requireUser(caller).name)
    const address = { kind: body.type, namespace, name: second ?? first }
    const { repo } = await parts.access.open(caller, address, 'admin')
    await parts.registry.delete(repo, { caller, dialect: DIALECT })
    const id = `${repo.namespace}/${repo.name}`
    res.json({ message: `Repository '${id}' of type '${repo.kind}' deleted.` })
  })

  router.post('/api/repos/move', async (req, res) => {
    const caller = callerOf(req)
    const body = check(MoveBody, await readJson(req, MAX_BODY))
    const from = splitId(body.fromRepo)
    const to = splitId(body.toRepo)
    const { repo } = await parts.access.open(caller, { kind: body.type, ...from }, 'admin')
    try {
      const moved = await parts.registry.move(
        repo,
        to,
        { caller, dialect: DIALECT },
        { redirect: true },
      )
      const url = urlOf(req, moved)
      const message = `Repository moved from ${body.fromRepo} to ${body.toRepo}`
      res.json({ success: true, url, message })
    } catch (err) {
      throw err instanceof HubError && err.code === 'repo_exists' ? withUrl(err, req) : err
    }
  })

  router.post('/api/repos/squash', async (req, res) => {
    const caller = callerOf(req)
    const body = check(SquashBody, await readJson(req, MAX_BODY))
    const address = { kind: body.type, ...splitId(body.repo) }
    const { repo } = await parts.access.open(caller, address, 'admin')
    await parts.squash.squash(repo, { caller, dialect: DIALECT })
    const message = `Repository ${body.repo} squashed successfully. All commit history has been cleared.`
    res.json({ success: true, message })
  })
}

function splitId(id: string): { namespace: string; name: string } {
  const [namespace, name, more] = id.split('/')
  if (!namespace || !name || more !== undefined)
    throw new HubError('invalid_input', 'A repository id has the form namespace/name.')
  return { namespace, name }
}
