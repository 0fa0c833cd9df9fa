import { type Request, type RequestHandler, type Response, Router } from 'express'
import { asHubError, HubError } from '../../domain/errors.js'
import { isPlatformToken } from '../../domain/packages/platforms.js'
import type { Platform } from '../../domain/packages/ports.js'
import { callerOf } from '../../http/caller.js'
import type { AbfParts } from './parts.js'

/**
 * What mirrors read without the API: `.repo.lock`, and whether a path below the downloads may be read. Open platforms need
 * no login; hidden ones a platform token as Basic user, or an account that sees them. Mounted before the hub's own login,
 * which knows no platform tokens; `login` is that login.
 */
export function downloads(parts: AbfParts, login: RequestHandler): Router {
  const router = Router()
  const paths = ['/downloads', '/api/v1/platforms/allowed', '/api/v1/platforms/allowed.json']
  router.use(paths, (req, res, next) =>
    platformTokenOf(req) === undefined ? login(req, res, next) : next(),
  )

  router.get('/downloads/:platform/repository/:arch/:name/.repo.lock', async (req, res) => {
    const { platform: name, arch, name: shelfName } = req.params
    const platform = await parts.packages.stores.platforms.findByName(name)
    const seen = platform && (await mayRead(parts, req, platform)) ? platform : undefined
    const shelf = seen && (await parts.packages.stores.shelves.findByName(seen.id, shelfName))
    const locks = shelf ? await parts.packages.mirrorLocks.list(shelf.id) : []
    if (arch !== 'SRPMS' || locks.length === 0) return absent(res)
    const ends = locks.map((it) => it.expiresAt).sort()
    res.set({
      'Cache-Control': 'no-cache',
      'X-Lock-Holders': String(locks.length),
      'X-Lock-Expires': ends.at(-1) ?? '',
    })
    res.type('text/plain').status(200).end()
  })
  router.use('/downloads', (_req, res) => absent(res))

  const allowed: RequestHandler = async (req, res) => {
    const { path } = req.query
    const name = typeof path === 'string' ? /^\/?([^/]+)(\/|$)/.exec(path)?.[1] : undefined
    const platform = name && (await parts.packages.stores.platforms.findByName(name))
    const may = platform && (await mayRead(parts, req, platform))
    res.status(may ? 200 : 403).end()
  }
  router.get(['/api/v1/platforms/allowed', '/api/v1/platforms/allowed.json'], allowed)
  return router
}

async function mayRead(parts: AbfParts, req: Request, platform: Platform): Promise<boolean> {
  if (platform.visibility === 'open') return true
  const token = platformTokenOf(req)
  if (token !== undefined) return parts.packages.platforms.admits(platform, token)
  try {
    return await parts.packages.policy.canSee(callerOf(req), platform)
  } catch (err) {
    // wrong credentials see what none would see
    if (err instanceof HubError && asHubError(err).code !== 'internal') return false
    throw err
  }
}

function platformTokenOf(req: Request): string | undefined {
  const [, value] = /^basic\s+(\S+)$/i.exec(req.get('authorization') ?? '') ?? []
  const user = value && Buffer.from(value, 'base64').toString('utf8').split(':')[0]
  return user && isPlatformToken(user) ? user : undefined
}

function absent(res: Response): void {
  res.status(404).type('text/plain').send('Not Found\n')
}
