import type { PlatformOrder } from '../../domain/packages/platforms.js'
import type { Platform, Shelf } from '../../domain/packages/ports.js'
import { PLATFORM_ROLES, type PlatformRole } from '../../domain/packages/ports.js'
import { refused, refusedAs } from './errors.js'
import { Fields, idOrName, pageOf } from './input.js'
import { nameOf, readMember } from './members.js'
import type { AbfRequest, AbfRoute } from './parts.js'
import { seconds } from './send.js'
import { platformUrl, toAccount, toShelfLink } from './shapes.js'

async function listPlatforms(it: AbfRequest): Promise<void> {
  const { platforms, policy, stores } = it.parts.packages
  const page = pageOf(it.params)
  const type = (['main', 'personal'] as const).find((one) => one === it.params.type)
  const visibleTo = await policy.visibleTo(it.caller)
  const filter = {
    ...(type ? { type } : {}),
    ...(visibleTo ? { visibleTo } : {}),
  }
  const [total, found] = await Promise.all([
    stores.platforms.count(filter),
    stores.platforms.list({ ...filter, limit: page.perPage, offset: page.offset }),
  ])
  const shelves = await platforms.listShelves(found)
  it.linkPages(page, total)
  it.send({
    platforms: found.map((platform) =>
      toSummary(
        platform,
        shelves.filter((shelf) => shelf.platformId === platform.id),
      ),
    ),
    url: '/api/v1/platforms.json',
  })
}

function toSummary(platform: Platform, shelves: readonly Shelf[]) {
  return {
    id: platform.id,
    name: platform.name,
    visibility: platform.visibility,
    platform_type: platform.type,
    url: platformUrl(platform.id),
    owner: toAccount(platform.owner),
    repositories: shelves.map(toShelfLink),
  }
}

async function getPlatform(it: AbfRequest): Promise<void> {
  const { platforms } = it.parts.packages
  const platform = await platforms.read(it.caller, idOrName(it.id))
  const shelves = await platforms.listShelves([platform])
  it.send({
    platform: {
      id: platform.id,
      name: platform.name,
      description: platform.description,
      parent_platform_id: null,
      created_at: seconds(platform.createdAt),
      updated_at: seconds(platform.updatedAt),
      released: platform.released,
      visibility: platform.visibility,
      platform_type: platform.type,
      distrib_type: platform.distribType,
      default_branch: platform.defaultBranch,
      owner: toAccount(platform.owner),
      repositories: shelves.map(toShelfLink),
      products: [],
      url: platformUrl(platform.id),
    },
  })
}

async function readOrder(it: AbfRequest): Promise<PlatformOrder> {
  const fields = Fields.within(it.params, 'platform')
  const order = {
    name: fields.text('name'),
    description: fields.text('description'),
    defaultBranch: fields.text('default_branch'),
    distribType: fields.text('distrib_type'),
    released: fields.bool('released'),
    visibility: fields.text('visibility') ?? undefined,
  }
  fields.throwIfWrong()
  if (!fields.has('owner_id')) return order
  const id = fields.id('owner_id')
  const owner = id === undefined ? undefined : await it.parts.stores.accounts.findNamespaceById(id)
  if (!owner) throw refused("Owner can't be blank")
  return { ...order, owner }
}

async function createPlatform(it: AbfRequest): Promise<void> {
  const platform = await refusedAs('Platform has not been created', async () =>
    it.parts.packages.platforms.create(it.actor, await readOrder(it)),
  )
  it.done('platform', platform.id, 'Platform has been created successfully')
}

async function updatePlatform(it: AbfRequest): Promise<void> {
  const { platforms } = it.parts.packages
  const platform = await platforms.readOwned(it.caller, idOrName(it.id))
  await refusedAs('Platform has not been updated', async () =>
    platforms.update(it.actor, platform, await readOrder(it)),
  )
  it.done('platform', platform.id, 'Platform has been updated successfully')
}

async function destroyPlatform(it: AbfRequest): Promise<void> {
  const { platforms } = it.parts.packages
  const platform = await platforms.readOwned(it.caller, idOrName(it.id))
  await platforms.delete(it.actor, platform)
  it.done('platform', platform.id, 'Platform has been destroyed successfully')
}

async function clonePlatform(it: AbfRequest): Promise<void> {
  const { platforms } = it.parts.packages
  const from = await platforms.read(it.caller, idOrName(it.id))
  const made = await refusedAs('Platform has not been cloned', async () =>
    platforms.clone(it.actor, from, await readOrder(it)),
  )
  it.done('platform', made.id, 'Platform has been cloned successfully')
}

async function clearPlatform(it: AbfRequest): Promise<void> {
  const { platforms } = it.parts.packages
  const platform = await platforms.readOwned(it.caller, idOrName(it.id))
  await platforms.clear(it.actor, platform)
  it.done('platform', platform.id, 'Platform has been cleared successfully')
}

async function listMembers(it: AbfRequest): Promise<void> {
  const { platforms, stores } = it.parts.packages
  const { id } = await platforms.readMain(it.caller, idOrName(it.id))
  const page = pageOf(it.params)
  const [total, members] = await Promise.all([
    stores.platforms.countMembers(id),
    stores.platforms.listMembers(id, page.perPage, page.offset),
  ])
  it.linkPages(page, total)
  it.send({
    platform: {
      id,
      members: members.map(({ account, role }) => ({ ...toAccount(account), role })),
    },
    url: `/api/v1/platforms/${id}/members.json`,
  })
}

async function addMember(it: AbfRequest): Promise<void> {
  const { platforms } = it.parts.packages
  const platform = await platforms.readMain(it.caller, idOrName(it.id))
  const member = await readMember(it)
  const { role = 'admin' } = it.params
  if (!member || !PLATFORM_ROLES.includes(role as PlatformRole))
    throw refused('Member has not been added to platform')
  await platforms.setMember(it.actor, platform, member, role as PlatformRole)
  it.done('platform', platform.id, `${nameOf(it)} has been added to platform successfully`)
}

async function removeMember(it: AbfRequest): Promise<void> {
  const { platforms } = it.parts.packages
  const platform = await platforms.readMain(it.caller, idOrName(it.id))
  const member = await readMember(it)
  if (!member) throw refused('Member has not been removed from platform')
  await platforms.setMember(it.actor, platform, member, null)
  it.done('platform', platform.id, `${nameOf(it)} has been removed from platform successfully`)
}

async function listArches(it: AbfRequest): Promise<void> {
  const names = ['i586', 'i686', 'x86_64', 'armv7hl', 'aarch64', 'loongarch64', 'riscv64', 'e2k']
  it.send({ architectures: names.map((name, n) => ({ id: n + 1, name })) })
}

export const platformRoutes: readonly AbfRoute[] = [
  ['GET', 'platforms', listPlatforms],
  ['POST', 'platforms', createPlatform],
  ['GET', 'platforms/:id', getPlatform],
  ['PUT', 'platforms/:id', updatePlatform],
  ['DELETE', 'platforms/:id', destroyPlatform],
  ['POST', 'platforms/:id/clone', clonePlatform],
  ['PUT', 'platforms/:id/clear', clearPlatform],
  ['GET', 'platforms/:id/members', listMembers],
  ['PUT', 'platforms/:id/add_member', addMember],
  ['DELETE', 'platforms/:id/remove_member', removeMember],
  ['GET', 'arches', listArches],
]
