import type { Request, Router } from 'express'
import { z } from 'zod'
import { requireAccountHolder } from '../../domain/access/access.js'
import { issueToken } from '../../domain/accounts/login.js'
import { HubError } from '../../domain/errors.js'
import { makeEvent } from '../../domain/events/events.js'
import type { Token, User } from '../../domain/types.js'
import { callerOf } from '../../http/caller.js'
import { readValues, seconds } from './input.js'
import type { OutpostParts } from './parts.js'

const DAY_MS = 24 * 60 * 60 * 1000
const KEY_PREFIX = 'api-key:'

const Name = z.string().regex(/^[\w.-]{1,100}$/, '1 to 100 letters, digits, "-", "_" or "."')
const PatBody = z.object({
  name: Name,
  expires_in_days: z.number().int().min(1).max(3650).nullish(),
})
const KeyBody = z.object({ name: Name })

/**
 * Personal access tokens (`Bearer`) and API keys (`Authorization: API-Key name$secret`). Outpost documents creation and
 * reading of the former; listing, deletion and the keys' shapes are ours. As everywhere, tokens are managed with the
 * password or an admin-role token: one that leaked must not make others that outlive it.
 */
export function tokenRoutes(router: Router, parts: OutpostParts): void {
  const { accounts, events } = parts.stores
  const note = (req: Request, about: Record<string, unknown>) =>
    events.add(
      makeEvent('account.token', { caller: callerOf(req), dialect: 'outpost' }, undefined, about),
    )

  router.post('/auth/v1/pat', async (req, res) => {
    const user = requireAccountHolder(callerOf(req))
    const body = await readValues(req, PatBody)
    await refuseTaken(user, body.name)
    const days = body.expires_in_days
    const expiresAt = days ? new Date(Date.now() + days * DAY_MS).toISOString() : null
    const { token, secret } = await issueToken(accounts, {
      userId: user.id,
      name: body.name,
      role: 'write',
      expiresAt,
    })
    await note(req, { id: token.id, name: token.name, role: token.role, expiresAt })
    res.status(201).json({ ...toPat(token), token: secret })
  })
  router.get('/auth/v1/pat', async (req, res) => {
    const tokens = await accounts.listTokens(requireAccountHolder(callerOf(req)).id)
    res.json({ data: tokens.filter((it) => !isKey(it)).map(toPat) })
  })
  router.get('/auth/v1/pat/:name', async (req, res) => {
    res.json(toPat(await read(requireAccountHolder(callerOf(req)), req.params.name)))
  })
  router.delete('/auth/v1/pat/:name', async (req, res) => {
    await remove(req, req.params.name)
    res.status(204).end()
  })

  router.post('/auth/v1/api_keys', async (req, res) => {
    const user = requireAccountHolder(callerOf(req))
    const { name } = await readValues(req, KeyBody)
    await refuseTaken(user, KEY_PREFIX + name)
    const order = { userId: user.id, name: KEY_PREFIX + name, role: 'write' } as const
    const { token, secret } = await issueToken(accounts, order)
    await note(req, { id: token.id, name: token.name, role: token.role })
    res.status(201).json({ ...toKey(token), key: `${name}$${secret}` })
  })
  router.get('/auth/v1/api_keys', async (req, res) => {
    const tokens = await accounts.listTokens(requireAccountHolder(callerOf(req)).id)
    res.json({ data: tokens.filter(isKey).map(toKey) })
  })
  router.delete('/auth/v1/api_keys/:name', async (req, res) => {
    await remove(req, KEY_PREFIX + req.params.name)
    res.status(204).end()
  })

  async function refuseTaken(user: User, name: string): Promise<void> {
    const tokens = await accounts.listTokens(user.id)
    if (tokens.some((it) => it.name === name))
      throw new HubError(
        'conflict',
        `A token named '${name.replace(KEY_PREFIX, '')}' exists already.`,
      )
  }

  async function read(user: User, name: string): Promise<Token> {
    const token = (await accounts.listTokens(user.id)).find((it) => it.name === name)
    if (!token)
      throw new HubError(
        'not_found',
        `Token '${name.replace(KEY_PREFIX, '').slice(0, 100)}' not found.`,
      )
    return token
  }

  async function remove(req: Request, name: string): Promise<void> {
    const user = requireAccountHolder(callerOf(req))
    const { id } = await read(user, name)
    await accounts.deleteToken(user.id, id)
    await note(req, { id, name, deleted: true })
  }
}

const isKey = (token: Token) => token.name.startsWith(KEY_PREFIX)

function toPat(token: Token) {
  return {
    id: token.id,
    name: token.name,
    role: token.role,
    created_at: seconds(token.createdAt),
    expires_at: seconds(token.expiresAt),
    last_used_at: seconds(token.lastUsedAt),
  }
}

function toKey(token: Token) {
  const { role: _, expires_at: __, ...rest } = toPat(token)
  return { ...rest, name: token.name.slice(KEY_PREFIX.length) }
}
