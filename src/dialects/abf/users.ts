import { requireActiveUser, requireUser } from '../../domain/access/access.js'
import { HubError } from '../../domain/errors.js'
import { Problems } from '../../domain/packages/problems.js'
import type { User } from '../../domain/types.js'
import { refusedAs } from './errors.js'
import { Fields, idOrName } from './input.js'
import type { AbfRequest, AbfRoute } from './parts.js'
import { seconds } from './send.js'
import { userUrl } from './shapes.js'

const PROFILE = ['professional_experience', 'site', 'company', 'location', 'language'] as const

async function toUser(it: AbfRequest, user: User) {
  const { accounts, repos } = it.parts.stores
  const [projects, profile] = await Promise.all([
    repos.count({ namespaceId: user.id, ...visible(it) }),
    accounts.readProfile(user.id),
  ])
  const text = (name: string) => (typeof profile[name] === 'string' ? profile[name] : null)
  return {
    id: user.id,
    name: user.fullname || user.name,
    uname: user.name,
    email: user.email,
    language: text('language') ?? 'en',
    own_projects_count: projects,
    professional_experience: text('professional_experience'),
    site: text('site'),
    company: text('company'),
    location: text('location'),
    build_priority: 50,
    created_at: seconds(user.createdAt),
    updated_at: seconds(user.createdAt),
    avatar_url: `/api/users/${user.name}/avatar`,
    url: userUrl(user.id),
    html_url: `/${user.name}`,
  }
}

/** Counts must not tell of what the caller cannot see either. */
export function visible(it: AbfRequest) {
  const visibleTo = it.parts.access.visibleTo(it.caller)
  return visibleTo ? { visibleTo } : {}
}

/** Machines' accounts are not shown. */
async function getUser(it: AbfRequest): Promise<void> {
  const { accounts } = it.parts.stores
  const key = idOrName(it.id)
  const user = await (typeof key === 'number' ? accounts.findUserById(key) : accounts.findUser(key))
  const { systemUsers } = it.parts.packages.stores
  if (!user || (await systemUsers.has(user.id))) throw new HubError('not_found', 'no such user')
  it.send({ user: await toUser(it, user) })
}

async function getSelf(it: AbfRequest): Promise<void> {
  const user = requireUser(it.caller)
  const isSystem = await it.parts.packages.policy.isSystem(it.caller)
  const role = user.isSiteAdmin ? 'admin' : isSystem ? 'system' : ''
  it.send({ user: { ...(await toUser(it, user)), role } })
}

async function updateSelf(it: AbfRequest): Promise<void> {
  const { accounts } = it.parts.stores
  const user = requireActiveUser(it.caller)
  await refusedAs('User has not been updated', async () => {
    const fields = Fields.within(it.params, 'user')
    const name = fields.text('name')
    const profile = PROFILE.flatMap((field) => {
      const value = fields.text(field)
      return value === undefined ? [] : [[field, value] as const]
    })
    fields.throwIfWrong()
    const problems = new Problems()
    problems.text('Name', name, { max: 100 })
    for (const [field, value] of profile)
      problems.text(field.replace('_', ' '), value, { max: 1_000, required: false })
    const language = Object.fromEntries(profile).language
    if (language != null && !['ru', 'en'].includes(language))
      problems.add('Language is not included in the list')
    problems.throwIfAny()
    if (name) await accounts.updateUser(user.id, { fullname: name })
    if (profile.length > 0) {
      const before = await accounts.readProfile(user.id)
      await accounts.updateProfile(user.id, { ...before, ...Object.fromEntries(profile) })
    }
  })
  it.done('user', user.id, 'User has been updated successfully')
}

export const userRoutes: readonly AbfRoute[] = [
  ['GET', 'users/:id', getUser],
  ['GET', 'user', getSelf],
  ['PUT', 'user', updateSelf],
]
