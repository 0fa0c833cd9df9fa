import { expect } from 'vitest'
import { type ApiReply, startTestHub, type TestHub, type TestUser } from './hub.js'

/** A hub as ABF callers know it: `root` runs it, `ivan` owns the platform rosa2012 with the repository main. */
export interface AbfHub extends TestHub {
  readonly root: TestUser
  readonly ivan: TestUser
  readonly eve: TestUser
  readonly platformId: number
  readonly repositoryId: number
  /** With user name and password, as ABF's own clients do. */
  abf(as: TestUser | undefined, method: string, path: string, body?: unknown): Promise<ApiReply>
  /** A git repository; its ABF id. */
  project(owner: TestUser, name: string, visibility?: 'open' | 'hidden'): Promise<number>
}

export async function startAbfHub(env: Record<string, string> = {}): Promise<AbfHub> {
  const hub = await startTestHub(env)
  const root = await hub.user('root_admin', { admin: true })
  const ivan = await hub.user('ivan')
  const eve = await hub.user('eve')
  const abf: AbfHub['abf'] = (as, method, path, body) =>
    hub.api(`/api/v1/${path}`, {
      method,
      ...(body === undefined ? {} : { body }),
      headers: as ? { Authorization: basic(as.name, `${as.name}-password`) } : {},
    })
  const done = (reply: ApiReply, subject: string): number => {
    expect([reply.status, reply.text]).toEqual([200, expect.stringContaining('successfully')])
    return reply.json[subject].id
  }
  const platform = {
    name: 'rosa2012',
    description: 'ROSA 2012',
    default_branch: 'rosa2012',
    distrib_type: 'mdv',
    owner_id: ivan.user.id,
  }
  const platformId = done(await abf(root, 'POST', 'platforms.json', { platform }), 'platform')
  const repository = { platform_id: platformId, name: 'main', description: 'core packages' }
  const repositoryId = done(
    await abf(ivan, 'POST', 'repositories.json', { repository }),
    'repository',
  )
  return {
    ...hub,
    root,
    ivan,
    eve,
    platformId,
    repositoryId,
    abf,
    async project(owner, name, visibility = 'open') {
      const project = { name, visibility }
      return done(await abf(owner, 'POST', 'projects.json', { project }), 'project')
    },
  }
}

export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}
