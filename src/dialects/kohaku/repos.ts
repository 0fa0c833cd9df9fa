import type { Request } from 'express'
import { z } from 'zod'
import { isAnonymous, requireUser } from '../../domain/access/access.js'
import { HubError } from '../../domain/errors.js'
import type { FirstFile } from '../../domain/repos/registry.js'
import { SpaceFields, toSpaceOrder } from '../../domain/spaces/space-fields.js'
import { checkSdk } from '../../domain/spaces/space-rules.js'
import type { Caller, Repo, RepoAddress, RepoKind, Visibility } from '../../domain/types.js'
import { check, readJson } from '../../http/body.js'
import { repoUrlPath } from '../../protocol/repo-path.js'
import { actorOf, type KohakuParts, type KohakuRequest, type KohakuRoute } from './parts.js'
import { Kind } from './shapes.js'

const MAX_BODY = 10 * 1024 * 1024

/** huggingface-wire B3.1 and seed 000; `auto_init`, `object_format`, `default_branch` are this hub's own. */
const CreateBody = z.object({
  type: Kind,
  name: z.string(),
  organization: z.string().nullish(),
  private: z.boolean().nullish(),
  visibility: z.enum(['public', 'private', 'internal', 'protected']).nullish(),
  sdk: z
    .string()
    .regex(/^[\w-]{1,40}$/)
    .nullish(),
  ...SpaceFields,
  template: z.string().nullish(),
  /** @huggingface/hub sends these two. */
  license: z
    .string()
    .regex(/^[\w.+-]{1,100}$/)
    .nullish(),
  files: z
    .array(
      z.object({
        path: z.string(),
        content: z.string(),
        encoding: z.enum(['base64', 'utf-8']).default('base64'),
      }),
    )
    .max(1_000)
    .nullish(),
  auto_init: z.boolean().nullish(),
  object_format: z.enum(['sha1', 'sha256']).nullish(),
  default_branch: z.string().nullish(),
})
const DeleteBody = z.object({ type: Kind, name: z.string(), organization: z.string().nullish() })
const MoveBody = z.object({ type: Kind, fromRepo: z.string(), toRepo: z.string() })
const SquashBody = z.object({ type: Kind, repo: z.string() })

/** Seed 000. */
export const repoRoutes: readonly KohakuRoute[] = [
  { method: 'post', path: '/api/repos/create', handle: createRepo },
  { method: 'delete', path: '/api/repos/delete', handle: deleteRepo },
  { method: 'post', path: '/api/repos/move', handle: moveRepo },
  { method: 'post', path: '/api/repos/squash', handle: squashRepo },
]

async function createRepo({ req, res, parts, caller }: KohakuRequest): Promise<void> {
  if (isAnonymous(caller)) requireUser(caller)
  const body = check(CreateBody, await readJson(req, MAX_BODY))
  // some clients send the whole id as the name
  const [first = '', second] = body.name.split('/')
  const namespace = body.organization || (second ? first : namespaceOf({ caller }))
  if (second && first.toLowerCase() !== namespace.toLowerCase())
    throw new HubError('invalid_input', 'name and organization name two namespaces.')
  const space = await spaceOrder(parts, caller, body)
  try {
    const repo = await parts.registry.create(
      {
        kind: body.type,
        namespace,
        name: body.name.slice(second ? first.length + 1 : 0),
        visibility: visibilityOf(body),
        sdk: body.sdk ?? undefined,
        objectFormat: body.object_format ?? undefined,
        defaultBranch: body.default_branch ?? undefined,
        start: body.auto_init === false ? 'unborn' : 'usual',
        files: firstFiles(body),
        ...space,
      },
      actorOf(caller),
    )
    if (repo.kind === 'space') await parts.spaces.created(repo)
    const id = `${repo.namespace}/${repo.name}`
    res.json({ url: urlOf(parts, req, repo), repo_id: id, id: repo.id, name: id })
  } catch (err) {
    throw withUrl(err, parts, req)
  }
}

/** What a Space is to have besides files, checked now and stored before anybody sees it. */
async function spaceOrder(
  parts: KohakuParts,
  caller: Caller,
  body: z.output<typeof CreateBody>,
): Promise<{ prepare?: (repo: Repo) => Promise<void> }> {
  if (body.type !== 'space') return {}
  if (body.template)
    throw new HubError('invalid_input', `There is no template "${body.template.slice(0, 100)}".`)
  const sdk = body.sdk ? checkSdk(body.sdk) : undefined
  const order = toSpaceOrder(body)
  await parts.spaces.check(caller, order, sdk)
  return { prepare: (repo) => parts.spaces.begin(repo, order, caller) }
}

/** What the caller sends along, and a card for a licence that comes without one; a space has its card anyway. */
function firstFiles(body: z.output<typeof CreateBody>): FirstFile[] {
  const files = (body.files ?? []).map(({ path, content, encoding }) => ({
    path,
    content: Buffer.from(content, encoding),
  }))
  if (files.length > 0 && body.auto_init === false)
    throw new HubError('invalid_input', 'files need a first commit: leave auto_init out.')
  if (body.license && body.type !== 'space' && !files.some((it) => it.path === 'README.md'))
    files.push({ path: 'README.md', content: Buffer.from(`---\nlicense: ${body.license}\n---\n`) })
  return files
}

/** `private` wins over `visibility`. */
function visibilityOf(body: z.output<typeof CreateBody>): Visibility {
  if (body.private === true || body.visibility === 'protected') return 'private'
  if (body.private === false) return 'public'
  return body.visibility ?? 'public'
}

async function deleteRepo({ req, res, parts, caller }: KohakuRequest): Promise<void> {
  if (isAnonymous(caller)) requireUser(caller)
  const body = check(DeleteBody, await readJson(req, MAX_BODY))
  const [first = '', second] = body.name.split('/')
  const namespace = second ? first : body.organization || namespaceOf({ caller })
  const repo = await openHere(parts, caller, {
    kind: body.type,
    namespace,
    name: second ?? first,
  })
  await parts.registry.delete(repo, actorOf(caller))
  const id = `${repo.namespace}/${repo.name}`
  res.json({ message: `Repository '${id}' of type '${repo.kind}' deleted.` })
}

/** The caller's own namespace, which the operator's token does not have. */
function namespaceOf({ caller }: Pick<KohakuRequest, 'caller'>): string {
  if (!caller.user && caller.isSiteAdmin)
    throw new HubError('invalid_input', 'An admin must name the organization.')
  return requireUser(caller).name
}

async function moveRepo({ req, res, parts, caller }: KohakuRequest): Promise<void> {
  if (isAnonymous(caller)) requireUser(caller)
  const body = check(MoveBody, await readJson(req, MAX_BODY))
  const to = splitId(body.toRepo)
  const repo = await openHere(parts, caller, { kind: body.type, ...splitId(body.fromRepo) })
  try {
    const moved = await parts.registry.move(repo, to, actorOf(caller), { redirect: true })
    const url = urlOf(parts, req, moved)
    const message = `Repository moved from ${body.fromRepo} to ${body.toRepo}`
    res.json({ success: true, url, message })
  } catch (err) {
    // the seed's 400, with the body that KohakuHub gives it (kohaku-outpost A.4)
    if (err instanceof HubError && err.code === 'quota_exceeded')
      throw new HubError('invalid_input', err.message, {
        detail: { error: err.message, repo_size_bytes: repo.gitBytes + repo.lfsBytes },
      })
    throw withUrl(err, parts, req)
  }
}

async function squashRepo({ req, res, parts, caller }: KohakuRequest): Promise<void> {
  if (isAnonymous(caller)) requireUser(caller)
  const body = check(SquashBody, await readJson(req, MAX_BODY))
  const repo = await openHere(parts, caller, { kind: body.type, ...splitId(body.repo) })
  await parts.squash.squash(repo, actorOf(caller))
  const message = `Repository ${body.repo} squashed successfully. All commit history has been cleared.`
  res.json({ success: true, message })
}

/** What cannot be undone asks for the address a repository has now: an old one may be meant for something else by then. */
async function openHere(
  parts: KohakuParts,
  caller: KohakuRequest['caller'],
  address: RepoAddress,
): Promise<Repo> {
  const opened = await parts.access.open(caller, address, 'admin')
  if (opened.redirected) {
    const { namespace, name } = opened.repo
    throw new HubError('repo_not_found', `Repository not found: it is ${namespace}/${name} now.`)
  }
  return opened.repo
}

function splitId(id: string): { namespace: string; name: string } {
  const [namespace, name, more] = id.split('/')
  if (!namespace || !name || more !== undefined)
    throw new HubError('invalid_input', 'A repository id has the form namespace/name.', {
      errorCode: 'InvalidRepoId',
    })
  return { namespace, name }
}

function urlOf(parts: KohakuParts, req: Request, repo: RepoAddress): string {
  return `${parts.baseUrl(req)}${repoUrlPath(repo)}`
}

/** Clients with exist_ok read `url` off the refusal (huggingface-wire 0.1, rule 5). */
function withUrl(err: unknown, parts: KohakuParts, req: Request): unknown {
  if (!(err instanceof HubError && err.code === 'repo_exists')) return err
  const other = err.facts.other as (RepoAddress & { kind: RepoKind }) | undefined
  return new HubError(
    err.code,
    err.message,
    other && { url: urlOf(parts, req, other), repo_id: `${other.namespace}/${other.name}` },
  )
}
