import { HubError } from '../../domain/errors.js'
import { newPlatformToken } from '../../domain/packages/platforms.js'
import type { Platform, PlatformToken } from '../../domain/packages/ports.js'
import { Problems } from '../../domain/packages/problems.js'
import { sha256Hex } from '../../lib/ids.js'
import { refusedAs } from './errors.js'
import { Fields, idOf, idOrName, pageOf } from './input.js'
import type { AbfRequest, AbfRoute } from './parts.js'
import { seconds } from './send.js'
import { platformUrl } from './shapes.js'

/*
 * Tokens that let a machine read a hidden platform's downloads. As everywhere in this hub a secret is shown once, when it
 * is made; later answers have null in its place.
 */

function toToken(it: AbfRequest, token: PlatformToken, platform: Platform, secret: string | null) {
  const { protocol, host } = new URL(it.baseUrl)
  const login = secret === null ? '' : `${secret}:@`
  return {
    id: token.id,
    description: token.description,
    created_at: seconds(token.createdAt),
    status: token.status,
    authentication_token: secret,
    platform: { id: platform.id, name: platform.name, url: platformUrl(platform.id) },
    url: `${protocol}//${login}${host}/downloads/${platform.name}`,
  }
}

async function open(it: AbfRequest): Promise<{ token: PlatformToken; platform: Platform }> {
  const { platforms, stores } = it.parts.packages
  const id = idOf(it.id)
  const token = id === undefined ? undefined : await stores.platformTokens.find(id)
  if (!token) throw new HubError('not_found', 'no such token')
  return { token, platform: await platforms.readMain(it.caller, token.platformId) }
}

async function listTokens(it: AbfRequest): Promise<void> {
  const { platforms, stores } = it.parts.packages
  const { platform_id: id } = it.params
  const platform = await platforms.readMain(it.caller, idOrName(typeof id === 'string' ? id : ''))
  const page = pageOf(it.params)
  const [total, found] = await Promise.all([
    stores.platformTokens.count(platform.id),
    stores.platformTokens.list(platform.id, page.perPage, page.offset),
  ])
  it.linkPages(page, total)
  it.send({
    tokens: found.map((token) => toToken(it, token, platform, null)),
    url: '/api/v1/tokens.json',
  })
}

async function getToken(it: AbfRequest): Promise<void> {
  const { token, platform } = await open(it)
  it.send({ token: toToken(it, token, platform, null) })
}

async function createToken(it: AbfRequest): Promise<void> {
  const { platforms, stores } = it.parts.packages
  const fields = Fields.within(it.params, 'token', 'flat')
  const platform = await platforms.readMain(it.caller, fields.id('platform_id') ?? 0)
  const description = await refusedAs('Token has not been created', async () => {
    const text = fields.text('description')
    fields.throwIfWrong()
    const problems = new Problems()
    problems.text('Description', text ?? null, { max: 1_000 })
    problems.throwIfAny()
    return text ?? ''
  })
  const secret = newPlatformToken()
  const order = { platformId: platform.id, hash: sha256Hex(secret), description }
  const token = await stores.platformTokens.create(order)
  it.res.set('Cache-Control', 'no-store')
  it.send({
    token: {
      ...toToken(it, token, platform, secret),
      message: 'Token has been created successfully',
    },
  })
}

function setStatus(status: 'active' | 'blocked') {
  return async (it: AbfRequest): Promise<void> => {
    const { token } = await open(it)
    await it.parts.packages.stores.platformTokens.setStatus(token.id, status)
    const verb = status === 'active' ? 'activated' : 'deactivated'
    it.done('token', token.id, `Token has been ${verb} successfully`)
  }
}

async function destroyToken(it: AbfRequest): Promise<void> {
  const { token } = await open(it)
  await it.parts.packages.stores.platformTokens.delete(token.id)
  it.done('token', token.id, 'Token has been destroyed successfully')
}

export const tokenRoutes: readonly AbfRoute[] = [
  ['GET', 'tokens', listTokens],
  ['POST', 'tokens', createToken],
  ['GET', 'tokens/:id', getToken],
  ['PUT', 'tokens/:id/activate', setStatus('active')],
  ['PUT', 'tokens/:id/deactivate', setStatus('blocked')],
  ['DELETE', 'tokens/:id', destroyToken],
]
