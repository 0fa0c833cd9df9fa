import type { Request, Response, Router } from 'express'
import { HubError } from '../../domain/errors.js'
import { type Namespace, type Org, REPO_KINDS, type User } from '../../domain/types.js'
import { callerOf } from '../../http/caller.js'
import { intParam, linkNext } from './params.js'
import type { HfParts } from './parts.js'
import { toHexId, toUserJson } from './shapes.js'

const PAGE = 500

/** Users and organisations (huggingface-wire B11). Counts are of what the caller may see. */
export function profileRoutes(router: Router, parts: HfParts): void {
  router.get('/api/users/:user/overview', async (req, res) => {
    res.json(await userOverview(parts, req, await readUser(parts, req)))
  })
  router.get('/api/organizations/:org/overview', async (req, res) => {
    res.json(await orgOverview(parts, req, await readOrg(parts, req)))
  })
  router.get('/api/users/:user/followers', async (req, res) => {
    const user = await readUser(parts, req)
    await sendUsers(parts, req, res, (after, limit) => parts.follows.followers(user, after, limit))
  })
  router.get('/api/users/:user/following', async (req, res) => {
    const user = await readUser(parts, req)
    await sendUsers(parts, req, res, (after, limit) => parts.follows.following(user, after, limit))
  })
  router.get('/api/organizations/:org/followers', async (req, res) => {
    const org = await readOrg(parts, req)
    await sendUsers(parts, req, res, (after, limit) => parts.follows.followers(org, after, limit))
  })
  for (const [path, read] of [
    ['/api/users/:user/follow', readUser],
    ['/api/organizations/:org/follow', readOrg],
  ] as const)
    for (const [method, follows] of [
      ['post', true],
      ['delete', false],
    ] as const)
      router[method](path, async (req: Request, res: Response) => {
        const namespace = await read(parts, req)
        await parts.follows.set(callerOf(req), namespace, follows)
        const { followers } = await parts.follows.count(namespace)
        res.json({ success: true, isFollowing: follows, numFollowers: followers })
      })
}

async function readUser(parts: HfParts, req: Request): Promise<User> {
  const user = await parts.stores.accounts.findUser(param(req, 'user'))
  if (!user) throw new HubError('account_not_found', 'This user does not exist')
  return user
}

async function readOrg(parts: HfParts, req: Request): Promise<Org> {
  const org = await parts.stores.accounts.findOrg(param(req, 'org'))
  if (!org) throw new HubError('account_not_found', 'This organization does not exist')
  return org
}

function param(req: Request, name: string): string {
  const value = req.params[name]
  return typeof value === 'string' ? value : ''
}

async function userOverview(parts: HfParts, req: Request, user: User) {
  const { accounts } = parts.stores
  const visibleTo = parts.access.visibleTo(callerOf(req))
  const [orgs, profile, activity, count] = await Promise.all([
    accounts.listMemberships(user.id),
    accounts.readProfile(user.id),
    parts.follows.activity(user, visibleTo),
    parts.follows.count(user),
  ])
  const base = parts.baseUrl(req)
  return {
    ...toUserJson(user, base),
    _id: toHexId(user.id),
    isFollowing: (await parts.follows.isFollowing(callerOf(req), user)) ?? false,
    ...(typeof profile.bio === 'string' ? { details: profile.bio } : {}),
    ...(await countRepos(parts, req, user)),
    numDiscussions: activity.discussions,
    numPapers: activity.papers,
    numUpvotes: activity.upvotes,
    numLikes: activity.likes,
    numFollowing: count.following,
    numFollowers: count.followers,
    orgs: orgs.map((it) => ({
      id: toHexId(it.orgId),
      name: it.orgName,
      fullname: it.orgFullname ?? it.orgName,
      avatarUrl: `${base}/api/organizations/${it.orgName}/avatar`,
    })),
    createdAt: user.createdAt,
  }
}

async function orgOverview(parts: HfParts, req: Request, org: Org) {
  const [members, count, following] = await Promise.all([
    parts.stores.accounts.listMembers(org.id),
    parts.follows.count(org),
    parts.follows.isFollowing(callerOf(req), org),
  ])
  return {
    _id: toHexId(org.id),
    name: org.name,
    fullname: org.fullname ?? org.name,
    avatarUrl: `${parts.baseUrl(req)}/api/organizations/${org.name}/avatar`,
    type: 'org',
    isVerified: false,
    isFollowing: following ?? false,
    ...(org.description ? { details: org.description } : {}),
    numUsers: members.length,
    ...(await countRepos(parts, req, org)),
    numFollowers: count.followers,
    createdAt: org.createdAt,
  }
}

async function countRepos(parts: HfParts, req: Request, namespace: Namespace) {
  const visibleTo = parts.access.visibleTo(callerOf(req))
  const counts = await Promise.all(
    REPO_KINDS.map((kind) =>
      parts.stores.repos.count({ kind, namespaceId: namespace.id, visibleTo }),
    ),
  )
  const [numModels, numDatasets, numSpaces] = counts
  return { numModels, numDatasets, numSpaces }
}

async function sendUsers(
  parts: HfParts,
  req: Request,
  res: Response,
  read: (afterId: number, limit: number) => Promise<User[]>,
): Promise<void> {
  callerOf(req) // open to all, but wrong credentials are told to be wrong
  const limit = intParam(req, 'limit', { min: 1, max: PAGE }) ?? PAGE
  const after = intParam(req, 'cursor', { min: 0, max: Number.MAX_SAFE_INTEGER }) ?? 0
  const users = await read(after, limit + 1)
  const shown = users.slice(0, limit)
  const last = shown.at(-1)
  if (users.length > limit && last)
    res.set('Link', linkNext(parts.baseUrl(req), req, { cursor: String(last.id) }))
  res.json(shown.map((it) => toUserJson(it, parts.baseUrl(req))))
}
