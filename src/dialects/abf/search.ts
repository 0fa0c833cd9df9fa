import { pageOf } from './input.js'
import type { AbfRequest, AbfRoute } from './parts.js'
import { platformUrl, projectUrl, toAccount } from './shapes.js'
import { visible } from './users.js'

const TYPES = ['users', 'groups', 'platforms', 'projects'] as const

/** Substring of names, without case; `type` all or one of users, groups, platforms, projects. */
async function search(it: AbfRequest): Promise<void> {
  const { query, type } = it.params
  const text = typeof query === 'string' ? query.slice(0, 100) : ''
  const wanted = TYPES.filter((one) => type === one || !TYPES.some((known) => known === type))
  const results: Record<string, unknown> = {}
  for (const one of wanted) results[one] = text === '' ? [] : await FIND[one](it, text)
  it.send({ results, url: '/api/v1/search.json' })
}

const FIND: Record<(typeof TYPES)[number], (it: AbfRequest, text: string) => Promise<object[]>> = {
  users: (it, text) => findAccounts(it, 'user', text),
  groups: (it, text) => findAccounts(it, 'org', text),
  async platforms(it, text) {
    const visibleTo = await it.parts.packages.policy.visibleTo(it.caller)
    const found = await it.parts.packages.stores.platforms.list({
      search: text,
      ...(visibleTo ? { visibleTo } : {}),
      ...slice(it),
    })
    return found.map(({ id, name }) => ({ id, name, url: platformUrl(id) }))
  },
  async projects(it, text) {
    const found = await it.parts.stores.repos.list({
      search: [text],
      ...visible(it),
      ...slice(it),
      sort: 'name',
      order: 'asc',
    })
    return found.map((repo) => ({
      id: repo.seq,
      name: repo.name,
      fullname: `${repo.namespace}/${repo.name}`,
      url: projectUrl(repo),
    }))
  },
}

async function findAccounts(it: AbfRequest, type: 'user' | 'org', text: string) {
  const { accountSearch } = it.parts.packages.stores
  const found = await accountSearch.search(type, { text, ...slice(it) })
  return found.map((account) => {
    const { id, uname, name, url } = toAccount(account)
    return { id, uname, name, url }
  })
}

function slice(it: AbfRequest) {
  const page = pageOf(it.params)
  return { limit: page.perPage, offset: page.offset }
}

export const searchRoute: AbfRoute = ['GET', 'search', search]
