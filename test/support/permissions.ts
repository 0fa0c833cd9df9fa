import type { TokenRole, Visibility } from '../../src/domain/types.js'
import { startTestHub, type TestHub, type TestUser } from './hub.js'

/*
 * Who asks in the permission matrix, what they may do with repositories of each visibility, and what a row of it says.
 * Every repository belongs to the organisation `lab`.
 */
export const CALLERS = [
  'anonymous',
  'stranger',
  'reader',
  'writer',
  'owner',
  'admin',
  'readonly',
  'scoped',
  'elsewhere',
  'expired',
] as const
export type CallerName = (typeof CALLERS)[number]

export const VISIBILITIES: readonly Visibility[] = ['public', 'internal', 'private']

/**
 * `in`: past the door, whatever follows (bad input, nothing there, locked). `absent`: the answer is the one for a repository
 * that does not exist.
 */
export type Outcome = 'in' | 401 | 403 | 404 | 'absent'

type Level = 'none' | 'read' | 'write' | 'admin'
const RANK = { none: 0, read: 1, write: 2, admin: 3 } as const

/** `readonly`: the owner's read token; `scoped`: the owner's write token for these repositories; `elsewhere`: for another one. */
export function levelOf(caller: CallerName, visibility: Visibility): Level {
  const open = visibility === 'public'
  switch (caller) {
    case 'anonymous':
    case 'elsewhere':
      return open ? 'read' : 'none'
    case 'stranger':
      return visibility === 'private' ? 'none' : 'read'
    case 'reader':
    case 'readonly':
      return 'read'
    case 'writer':
      return 'write'
    case 'expired':
      return 'none'
    default:
      return 'admin'
  }
}

/**
 * What it takes: a right on the repository; `login` = the right to read and a user; `act` = as `login`, with a credential
 * that is neither read-only nor for other repositories.
 */
export type Needs = 'read' | 'write' | 'admin' | 'login' | 'act'

export interface Row {
  readonly path: string
  readonly body?: unknown
  readonly headers?: Record<string, string>
  /** A row on repositories is asked for each visibility, with `{id}`, `{name}`, `{repoId}`, `{seq}` filled in. */
  readonly perRepo: boolean
  /** A 404 may be an answer to somebody who is let in (no such branch, file, lock). */
  readonly mayMiss: boolean
  /** A 403 may be, too: the row looks no further than the login. */
  readonly mayRefuse: boolean
  readonly expect: (caller: CallerName, visibility: Visibility) => Outcome
}

type RowOptions = {
  readonly body?: unknown
  readonly headers?: Record<string, string>
  readonly mayMiss?: boolean
  readonly mayRefuse?: boolean
  /** Callers for whom another rule holds, told by the row's comment. */
  readonly but?: Partial<Record<CallerName, Outcome>>
}

function row(path: string, options: RowOptions, perRepo: boolean, rule: Row['expect']): Row {
  const { but = {}, mayMiss = false, mayRefuse = false, ...rest } = options
  return {
    path,
    ...rest,
    perRepo,
    mayMiss,
    mayRefuse,
    expect: (caller, visibility) => but[caller] ?? rule(caller, visibility),
  }
}

/** A route on one repository. */
export function repo(needs: Needs, path: string, options: RowOptions = {}): Row {
  return row(path, options, true, (caller, visibility) => {
    if (caller === 'expired') return 401
    const level = levelOf(caller, visibility)
    if (level === 'none') return 'absent'
    if (needs === 'login' || needs === 'act') {
      if (caller === 'anonymous') return 401
      return needs === 'act' && ['readonly', 'elsewhere'].includes(caller) ? 403 : 'in'
    }
    if (RANK[level] >= RANK[needs]) return 'in'
    return caller === 'anonymous' ? 401 : 403
  })
}

/** ABF: every call needs a login, and what is hidden is refused, not absent (architecture §4, abf.md 1 rule 7). */
export function project(
  needs: 'read' | 'write' | 'admin',
  path: string,
  options: RowOptions = {},
): Row {
  return row(path, options, true, (caller, visibility) => {
    if (caller === 'expired' || caller === 'anonymous') return 401
    return RANK[levelOf(caller, visibility)] >= RANK[needs] ? 'in' : 403
  })
}

const byCaller = (path: string, options: RowOptions, rule: (caller: CallerName) => Outcome) =>
  row(path, options, false, rule)

/** Anybody; wrong credentials are refused all the same. */
export const open = (path: string, options: RowOptions = {}) =>
  byCaller(path, options, (caller) => (caller === 'expired' ? 401 : 'in'))

/** Not even credentials are looked at. */
export const bare = (path: string, options: RowOptions = {}) => byCaller(path, options, () => 'in')

/** Any user, with any credential. */
export const user = (path: string, options: RowOptions = {}) =>
  byCaller(path, options, (caller) => (caller === 'anonymous' || caller === 'expired' ? 401 : 'in'))

/** Only that nobody gets on without a login; what comes then is shown elsewhere. */
export const login = (path: string, options: RowOptions = {}) =>
  byCaller(path, { ...options, mayRefuse: true }, (caller) =>
    caller === 'anonymous' || caller === 'expired' ? 401 : 'in',
  )

/** Any user whose credential is neither read-only nor for some repositories. */
export const active = (path: string, options: RowOptions = {}) =>
  byCaller(path, options, (caller) => {
    if (caller === 'anonymous' || caller === 'expired') return 401
    return ['readonly', 'scoped', 'elsewhere'].includes(caller) ? 403 : 'in'
  })

/** The account itself: of the callers here only `admin` has a credential with the admin role. */
export const account = (path: string, options: RowOptions = {}) =>
  byCaller(path, options, (caller) => {
    if (caller === 'anonymous' || caller === 'expired') return 401
    return caller === 'admin' ? 'in' : 403
  })

/** The site: administrators. */
export const site = account

/** The organisation `lab`: its people by level, with whole credentials. */
export function lab(needs: Exclude<Level, 'none'>, path: string, options: RowOptions = {}): Row {
  return byCaller(path, options, (caller) => {
    if (caller === 'anonymous' || caller === 'expired') return 401
    const levels: Partial<Record<CallerName, Level>> = {
      reader: 'read',
      readonly: 'read',
      writer: 'write',
      owner: 'admin',
      admin: 'admin',
    }
    return RANK[levels[caller] ?? 'none'] >= RANK[needs] ? 'in' : 403
  })
}

/** The account of the user `owner`. */
export const ownerOnly = (path: string, options: RowOptions = {}) =>
  byCaller(path, options, (caller) => {
    if (caller === 'anonymous' || caller === 'expired') return 401
    return caller === 'owner' || caller === 'admin' ? 'in' : 403
  })

/** The URL carries its own right, and this one's is forged: refused for everybody alike. */
export const signed = (path: string, status: Outcome, options: RowOptions = {}) =>
  byCaller(path, options, () => status)

export interface Stage {
  readonly hub: TestHub
  /** Of `lab`. */
  readonly orgId: number
  readonly credentials: Readonly<Record<CallerName, TestUser | undefined>>
  readonly repos: Readonly<Record<Visibility, { name: string; repoId: string; seq: number }>>
}

/** The hub with everybody in it. Every repository is held, so that what is let in changes nothing. */
export async function setStage(env: Record<string, string> = {}): Promise<Stage> {
  const hub = await startTestHub(env)
  const users: Record<string, TestUser> = {}
  for (const name of ['stranger', 'reader', 'writer', 'owner']) users[name] = await hub.user(name)
  const admin = await hub.user('admina', { admin: true, role: 'admin' })
  const owner = users.owner as TestUser
  await hub.org('lab', owner, { reader: 'reader', writer: 'contributor' })
  const repos: Record<string, { name: string; repoId: string; seq: number }> = {}
  const create = async (name: string, visibility: Visibility) => {
    const { json } = await hub.api('/api/repos/create', {
      as: owner,
      body: { name, organization: 'lab', visibility },
    })
    const made = await hub.domain.stores.repos.findById(json.id)
    if (!made) throw new Error(`${name} was not created`)
    return { name, repoId: made.id, seq: made.seq }
  }
  for (const visibility of VISIBILITIES) {
    const it = await create(`${visibility}-one`, visibility)
    repos[visibility] = it
    const hold = { repoId: it.repoId, kind: 'matrix', holder: 'a test', owner: 'a test' }
    await hub.domain.stores.holds.acquire({ ...hold, seconds: 3_600 })
  }
  const other = await create('other', 'private')
  const token = async (options: { role?: TokenRole; repoIds?: string[]; expiresAt?: string }) => ({
    ...owner,
    token: await hub.token(owner.user, options),
  })
  return {
    hub,
    orgId: (await hub.domain.organizations.read('lab')).id,
    repos: repos as Stage['repos'],
    credentials: {
      anonymous: undefined,
      stranger: users.stranger,
      reader: users.reader,
      writer: users.writer,
      owner,
      admin,
      readonly: await token({ role: 'read' }),
      scoped: await token({ repoIds: Object.values(repos).map((it) => it.repoId) }),
      elsewhere: await token({ repoIds: [other.repoId] }),
      expired: await token({ expiresAt: '2020-01-01T00:00:00.000Z' }),
    },
  }
}
