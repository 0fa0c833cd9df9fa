import { HubError } from '../../domain/errors.js'
import type { ShelfOrder } from '../../domain/packages/shelves.js'
import { refused, refusedAs } from './errors.js'
import { echo, Fields, idOf, pageOf } from './input.js'
import { nameOf, readMember } from './members.js'
import type { AbfRequest, AbfRoute } from './parts.js'
import { shelfUrl, toProjectLink, toShelf } from './shapes.js'

const NAME_TAKEN =
  'Project adding error. A project with such name already exists in one repository of platform. Remove the old project first'

async function getRepository(it: AbfRequest): Promise<void> {
  const { shelf, platform } = await it.parts.packages.shelves.open(it.caller, idOf(it.id), 'read')
  it.send({ repository: toShelf(shelf, platform) })
}

async function listProjects(it: AbfRequest): Promise<void> {
  const { shelves, mirrorLocks, stores } = it.parts.packages
  const { shelf } = await shelves.open(it.caller, idOf(it.id), 'read')
  const page = pageOf(it.params)
  const { total, repos } = await shelves.listProjects(it.caller, shelf, page.perPage, page.offset)
  const details = await stores.projects.details(repos)
  const locks = await mirrorLocks.list(shelf.id)
  it.linkPages(page, total)
  it.send({
    repository: {
      id: shelf.id,
      name: shelf.name,
      url: shelfUrl(shelf.id),
      // ours: who mirrors this repository now
      repo_lock: locks.map((lock) => ({
        holder: lock.holder,
        created_at: lock.createdAt,
        expires_at: lock.expiresAt,
      })),
      projects: repos.map((repo) => toProjectLink(it, repo, details.get(repo.id))),
    },
    url: `/api/v1/repositories/${shelf.id}/projects.json`,
  })
}

function readOrder(fields: Fields): ShelfOrder {
  const order = {
    name: fields.text('name'),
    description: fields.text('description'),
    publishWithoutQa: fields.bool('publish_without_qa'),
    publishBuildsOnlyFromBranch: fields.text('publish_builds_only_from_branch'),
    synchronizingPublications: fields.bool('synchronizing_publications'),
  }
  fields.throwIfWrong()
  return order
}

async function createRepository(it: AbfRequest): Promise<void> {
  const { platforms, shelves } = it.parts.packages
  const shelf = await refusedAs('Repository has not been created', async () => {
    const fields = Fields.within(it.params, 'repository', 'flat')
    const order = readOrder(fields)
    const id = fields.id('platform_id')
    const platform =
      id === undefined ? undefined : await findPlatform(() => platforms.read(it.caller, id))
    return shelves.create(it.actor, platform, order)
  })
  it.done('repository', shelf.id, 'Repository has been created successfully')
}

/** An input, not the addressed resource: when there is none the order is wrong, nothing is missing. */
async function findPlatform<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (err) {
    if (err instanceof HubError && err.code === 'not_found') return undefined
    throw err
  }
}

async function updateRepository(it: AbfRequest): Promise<void> {
  const { shelves } = it.parts.packages
  const opened = await shelves.open(it.caller, idOf(it.id), 'update')
  await refusedAs('Repository has not been updated', async () =>
    shelves.update(it.actor, opened, readOrder(Fields.within(it.params, 'repository'))),
  )
  it.done('repository', opened.shelf.id, 'Repository has been updated successfully')
}

async function destroyRepository(it: AbfRequest): Promise<void> {
  const { shelves } = it.parts.packages
  const opened = await shelves.open(it.caller, idOf(it.id), 'destroy')
  await shelves.delete(it.actor, opened)
  it.done('repository', opened.shelf.id, 'Repository has been destroyed successfully')
}

async function addMember(it: AbfRequest): Promise<void> {
  const { shelves } = it.parts.packages
  const opened = await shelves.open(it.caller, idOf(it.id), 'members')
  const member = await readMember(it)
  if (!member) throw refused('Member has not been added to repository')
  await shelves.setMember(it.actor, opened, member, true)
  it.done('repository', opened.shelf.id, `${nameOf(it)} has been added to repository successfully`)
}

async function removeMember(it: AbfRequest): Promise<void> {
  const { shelves } = it.parts.packages
  const opened = await shelves.open(it.caller, idOf(it.id), 'members')
  const member = await readMember(it)
  if (!member) throw refused('Member has not been removed from repository')
  await shelves.setMember(it.actor, opened, member, false)
  const message = `${nameOf(it)} has been removed from repository successfully`
  it.done('repository', opened.shelf.id, message)
}

async function addProject(it: AbfRequest): Promise<void> {
  const { shelves } = it.parts.packages
  const opened = await shelves.open(it.caller, idOf(it.id), 'link')
  try {
    await shelves.addProject(it.actor, opened, idOf(it.params.project_id))
  } catch (err) {
    if (!(err instanceof HubError)) throw err
    if (err.code === 'not_found') throw refused('Project has not been added to repository')
    if (err.code === 'forbidden') throw refused(err.message)
    if (err.code === 'conflict') throw refused(`${NAME_TAKEN}. ${err.message}`)
    throw err
  }
  const message = `Project '${echo(it.params.project_id)}' has been added to repository successfully`
  it.done('repository', opened.shelf.id, message)
}

async function removeProject(it: AbfRequest): Promise<void> {
  const { shelves } = it.parts.packages
  const opened = await shelves.open(it.caller, idOf(it.id), 'link')
  await shelves.removeProject(it.actor, opened, idOf(it.params.project_id))
  const message = `Project '${echo(it.params.project_id)}' has been removed from repository successfully`
  it.done('repository', opened.shelf.id, message)
}

async function updateSignatures(it: AbfRequest): Promise<void> {
  const { shelves, signingKeys } = it.parts.packages
  const opened = await shelves.open(it.caller, idOf(it.id), 'sign')
  await refusedAs('Signatures have not been updated for repository', async () => {
    const fields = Fields.within(it.params, 'repository', 'flat')
    const pair = { public: fields.text('public') ?? null, secret: fields.text('secret') ?? null }
    fields.throwIfWrong()
    await signingKeys.replace(it.actor, opened, pair)
  })
  const message = 'Signatures have been updated for repository successfully'
  it.done('repository', opened.shelf.id, message)
}

/** The secret is for the machines that sign; not even administrators read it. */
async function getKeyPair(it: AbfRequest): Promise<void> {
  const { shelves, signingKeys } = it.parts.packages
  const { shelf } = await shelves.open(it.caller, idOf(it.id), 'read')
  await requireSystem(it)
  const pair = await signingKeys.readPair(shelf.id)
  it.res.set('Cache-Control', 'no-store')
  it.send({
    repository: {
      id: shelf.id,
      name: shelf.name,
      url: shelfUrl(shelf.id),
      key_pair: pair ?? { public: '', secret: '' },
    },
  })
}

async function getPublicKey(it: AbfRequest): Promise<void> {
  const { shelves, signingKeys } = it.parts.packages
  const { shelf } = await shelves.open(it.caller, idOf(it.id), 'read')
  await requireSystem(it)
  it.res.type('text/plain').send((await signingKeys.readPublic(shelf.id)) ?? '\n')
}

async function requireSystem({ parts, caller }: AbfRequest): Promise<void> {
  if (!(await parts.packages.policy.isSystem(caller)))
    throw new HubError('forbidden', 'Only for system users.')
}

/**
 * Takes the lock, or renews it. Ours: `holder` tells apart several mirrors of one account, and X-Lock-Expires says when
 * the lock ends unless it is renewed.
 */
async function addLock(it: AbfRequest): Promise<void> {
  const { shelves, mirrorLocks } = it.parts.packages
  const opened = await shelves.open(it.caller, idOf(it.id), 'lock')
  const lock = await refusedAs("'.repo.lock' file has not been added to repository", async () =>
    mirrorLocks.add(it.actor, opened, holderOf(it)),
  )
  it.res.set('X-Lock-Expires', lock.expiresAt)
  const message = "'.repo.lock' file has been added to repository successfully"
  it.done('repository', opened.shelf.id, message)
}

/** Ends the caller's own lock. Ours: `holder=*` ends everybody's, for the platform's administrators. */
async function removeLock(it: AbfRequest): Promise<void> {
  const { shelves, mirrorLocks, policy } = it.parts.packages
  const opened = await shelves.open(it.caller, idOf(it.id), 'lock')
  const everybodys = it.params.holder === '*'
  if (everybodys && !(await policy.isAdmin(it.caller, opened.platform)))
    throw new HubError('forbidden', 'Only for administrators of the platform.')
  const holder = everybodys
    ? undefined
    : await refusedAs("'.repo.lock' file has not been removed from repository", async () =>
        holderOf(it),
      )
  await mirrorLocks.remove(it.actor, opened, holder)
  const message = "'.repo.lock' file has been removed from repository successfully"
  it.done('repository', opened.shelf.id, message)
}

/** `mirror` or `mirror/eu-1`: nobody can name somebody else. It is shown to refused writers. */
function holderOf({ caller, params }: AbfRequest): string {
  const account = caller.user?.name ?? 'admin'
  const { holder } = params
  if (holder === undefined || holder === '') return account
  if (typeof holder !== 'string' || !/^[\w.:@-]{1,100}$/.test(holder))
    throw refused('Holder is invalid')
  return `${account}/${holder}`
}

export const repositoryRoutes: readonly AbfRoute[] = [
  ['POST', 'repositories', createRepository],
  ['GET', 'repositories/:id', getRepository],
  ['PUT', 'repositories/:id', updateRepository],
  ['DELETE', 'repositories/:id', destroyRepository],
  ['GET', 'repositories/:id/projects', listProjects],
  ['PUT', 'repositories/:id/add_member', addMember],
  ['DELETE', 'repositories/:id/remove_member', removeMember],
  ['PUT', 'repositories/:id/add_project', addProject],
  ['DELETE', 'repositories/:id/remove_project', removeProject],
  ['PUT', 'repositories/:id/signatures', updateSignatures],
  ['GET', 'repositories/:id/key_pair', getKeyPair],
  ['GET', 'repositories/:id/public_key', getPublicKey],
  ['PUT', 'repositories/:id/add_repo_lock_file', addLock],
  ['DELETE', 'repositories/:id/remove_repo_lock_file', removeLock],
]
