import { HubError } from '../../domain/errors.js'
import type { Repo, RepoKind, Right } from '../../domain/types.js'
import { refused, refusedAs } from './errors.js'
import { Fields, idOf, pageOf } from './input.js'
import type { AbfRequest, AbfRoute } from './parts.js'
import { seconds } from './send.js'
import {
  gitUrls,
  platformUrl,
  projectUrl,
  toAccount,
  toMaintainer,
  toProjectLink,
  toShelfLink,
  visibilityOf,
} from './shapes.js'

/** By id. A project that the caller may not see is denied, not absent, as in ABF. */
export async function openProject(it: AbfRequest, right: Right): Promise<Repo> {
  const seq = idOf(it.id)
  const repo = seq === undefined ? undefined : await it.parts.stores.repos.findBySeq(seq)
  if (repo?.state !== 'ready') throw new HubError('not_found', 'no such project')
  return openFound(it, repo, right)
}

async function openFound(it: AbfRequest, repo: Repo, right: Right): Promise<Repo> {
  if (!(await it.parts.access.rightOn(it.caller, repo)))
    throw new HubError('forbidden', 'hidden project')
  return (await it.parts.access.openRepo(it.caller, repo, right)).repo
}

async function getId(it: AbfRequest): Promise<void> {
  const { owner, name } = it.params
  if (typeof owner !== 'string' || typeof name !== 'string')
    throw new HubError('not_found', 'owner and name are needed')
  for (const kind of ['model', 'dataset', 'space'] satisfies RepoKind[]) {
    const found = await it.parts.stores.repos.findByAddress({ kind, namespace: owner, name })
    if (!found) continue
    const repo = await openFound(it, found, 'read')
    const { git_url } = gitUrls(it, repo)
    const { id, visibility, fullname, url } = toProjectLink(it, repo, undefined)
    const by = toAccount(await readOwner(it, repo))
    it.send({ project: { id, name: repo.name, fullname, visibility, owner: by, url, git_url } })
    return
  }
  throw new HubError('not_found', 'no such project')
}

async function readOwner(it: AbfRequest, repo: Repo) {
  const owner = await it.parts.stores.accounts.findNamespaceById(repo.namespaceId)
  if (!owner) throw new HubError('not_found', 'no such owner')
  return owner
}

/** Those that the caller takes part in. */
async function listProjects(it: AbfRequest): Promise<void> {
  const { repos } = it.parts.stores
  const page = pageOf(it.params)
  const accountIds = it.parts.packages.policy.accountIds(it.caller)
  const filter = { memberOf: { accountIds } }
  const order = { sort: 'name', order: 'asc', limit: page.perPage, offset: page.offset } as const
  const [total, found] =
    accountIds.length === 0
      ? [0, []]
      : await Promise.all([repos.count(filter), repos.list({ ...filter, ...order })])
  const details = await it.parts.packages.stores.projects.details(found)
  it.linkPages(page, total)
  it.send({
    projects: found.map((repo) => toProjectLink(it, repo, details.get(repo.id))),
    url: '/api/v1/projects.json',
  })
}

async function getProject(it: AbfRequest): Promise<void> {
  const repo = await openProject(it, 'read')
  const { policy, stores } = it.parts.packages
  const [details, owner] = await Promise.all([stores.projects.details([repo]), readOwner(it, repo)])
  const detail = details.get(repo.id)
  const repositories = []
  for (const shelf of await stores.projects.listShelves(repo.id)) {
    const platform = await stores.platforms.find(shelf.platformId)
    if (!platform || !(await policy.canSee(it.caller, platform))) continue
    const { id, name } = platform
    repositories.push({ ...toShelfLink(shelf), platform: { id, name, url: platformUrl(id) } })
  }
  it.send({
    project: {
      id: repo.seq,
      name: repo.name,
      fullname: `${repo.namespace}/${repo.name}`,
      ...gitUrls(it, repo),
      visibility: visibilityOf(repo),
      description: repo.description,
      ancestry: null,
      has_issues: detail?.hasIssues ?? true,
      has_wiki: detail?.hasWiki ?? false,
      default_branch: repo.defaultBranch,
      is_package: detail?.isPackage ?? true,
      publish_i686_into_x86_64: detail?.publishI686IntoX8664 ?? false,
      average_build_time: 0,
      created_at: seconds(repo.createdAt),
      updated_at: seconds(repo.updatedAt),
      url: projectUrl(repo),
      maintainer: toMaintainer(detail?.maintainer),
      owner: toAccount(owner),
      repositories,
      project_statistics: [],
    },
  })
}

async function readOrder(it: AbfRequest, fields: Fields) {
  const visibility = fields.text('visibility')
  const order = {
    name: fields.text('name') ?? undefined,
    description: fields.text('description'),
    defaultBranch: fields.text('default_branch') ?? undefined,
    detail: {
      isPackage: fields.bool('is_package'),
      hasIssues: fields.bool('has_issues'),
      hasWiki: fields.bool('has_wiki'),
      publishI686IntoX8664: fields.bool('publish_i686_into_x86_64'),
      maintainerId: fields.id('maintainer_id'),
    },
  }
  fields.throwIfWrong()
  if (visibility !== undefined && visibility !== 'open' && visibility !== 'hidden')
    throw refused('Visibility is not included in the list')
  if ((order.description?.length ?? 0) > 2_000)
    throw refused('Description is too long (maximum is 2000 characters)')
  const { maintainerId } = order.detail
  if (fields.has('maintainer_id') && !(maintainerId && (await isUser(it, maintainerId))))
    throw refused('Maintainer is invalid')
  const detail = Object.fromEntries(
    Object.entries(order.detail).filter(([, value]) => value !== undefined),
  ) as { isPackage?: boolean }
  return { ...order, visibility, detail }
}

async function isUser(it: AbfRequest, id: number): Promise<boolean> {
  return (await it.parts.stores.accounts.findUserById(id)) !== undefined
}

async function createProject(it: AbfRequest): Promise<void> {
  const repo = await refusedAs('Project has not been created', async () => {
    const fields = Fields.within(it.params, 'project')
    const order = await readOrder(it, fields)
    const type = fields.text('owner_type') ?? 'User'
    const owner = fields.has('owner_id')
      ? await it.parts.packages.platforms.findMember(type, fields.id('owner_id'))
      : it.caller.user
    if (!owner) throw refused("Owner can't be blank")
    if (!order.name) throw refused("Name can't be blank")
    const made = await it.parts.registry.create(
      {
        kind: 'model',
        namespace: owner.name,
        name: order.name,
        visibility: order.visibility === 'hidden' ? 'private' : 'public',
        description: order.description ?? '',
        defaultBranch: order.defaultBranch ?? 'master',
        start: 'unborn',
      },
      it.actor,
    )
    await it.parts.packages.stores.projects.setDetail(made.id, order.detail)
    if (order.detail.isPackage === false) await putOnPersonal(it, made, false)
    return made
  })
  it.done('project', repo.seq, 'Project has been created successfully')
}

async function updateProject(it: AbfRequest): Promise<void> {
  const repo = await openProject(it, 'admin')
  await refusedAs('Project has not been updated', async () => {
    const order = await readOrder(it, Fields.within(it.params, 'project'))
    const wasOpen = repo.visibility === 'public'
    // "hidden" says nothing about internal or private: it changes only what was open
    const visibility =
      order.visibility === 'open' ? 'public' : order.visibility && wasOpen ? 'private' : undefined
    const change = {
      visibility,
      description: order.description ?? undefined,
      defaultBranch: order.defaultBranch,
    } as const
    if (Object.values(change).some((value) => value !== undefined))
      await it.parts.registry.changeSettings(repo, change, it.actor)
    await it.parts.packages.stores.projects.setDetail(repo.id, order.detail)
    const { isPackage } = order.detail
    if (isPackage !== undefined) await putOnPersonal(it, repo, isPackage)
  })
  it.done('project', repo.seq, 'Project has been updated successfully')
}

/** `is_package`: on the shelf `main` of the owner's personal platform, or not. */
async function putOnPersonal(it: AbfRequest, repo: Repo, isPackage: boolean): Promise<void> {
  const { platforms, projects, shelves } = it.parts.packages.stores
  const platform = await platforms.findByName(`${repo.namespace}_personal`)
  const shelf = platform && (await shelves.findByName(platform.id, 'main'))
  if (!shelf) return
  if (isPackage) await projects.link(shelf.id, repo.id)
  else await projects.unlink(shelf.id, repo.id)
}

async function destroyProject(it: AbfRequest): Promise<void> {
  const repo = await openProject(it, 'admin')
  await it.parts.registry.delete(repo, it.actor)
  it.done('project', repo.seq, 'Project has been destroyed successfully')
}

/** Branches, then tags; a tag with the commit that it stands for. */
async function listRefs(it: AbfRequest): Promise<void> {
  const repo = await openProject(it, 'read')
  const snapshot = await it.parts.git.snapshot(repo.id)
  const peeled = await it.parts.git.peel(repo.id, snapshot)
  const list = (prefix: string, type: string) =>
    snapshot.refs
      .filter((ref) => ref.name.startsWith(prefix))
      .map((ref) => ({
        ref: ref.name.slice(prefix.length),
        object: { type, sha: peeled.get(ref.name) ?? ref.oid },
      }))
  it.send({
    refs_list: [...list('refs/heads/', 'commit'), ...list('refs/tags/', 'tag')],
    url: `/api/v1/projects/${repo.seq}/refs_list.json`,
  })
}

export const projectRoutes: readonly AbfRoute[] = [
  ['GET', 'projects/get_id', getId],
  ['GET', 'projects', listProjects],
  ['POST', 'projects', createProject],
  ['GET', 'projects/:id', getProject],
  ['PUT', 'projects/:id', updateProject],
  ['DELETE', 'projects/:id', destroyProject],
  ['GET', 'projects/:id/refs_list', listRefs],
]
