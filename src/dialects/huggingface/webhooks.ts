import type { Request, Router } from 'express'
import { z } from 'zod'
import { requireActiveUser } from '../../domain/access/access.js'
import { HubError } from '../../domain/errors.js'
import type { Actor } from '../../domain/events/events.js'
import type { Delivery, Webhook, WebhookDomain } from '../../domain/webhooks/ports.js'
import { check, readJson } from '../../http/body.js'
import { callerOf } from '../../http/caller.js'
import { intParam, linkNext } from './params.js'
import type { HfParts } from './parts.js'

const BASE = '/api/settings/webhooks'
const MAX_BODY = 1024 * 1024
const PAGE = 50
const SITE = { type: 'site', name: 'models' } as const

const Domains = z
  .array(
    // the client's type hint says `discussions`, its documentation `discussion`
    z
      .enum(['repo', 'discussion', 'discussions'])
      .transform((it): WebhookDomain => (it === 'repo' ? 'repo' : 'discussion')),
  )
  .max(10)
const Watched = z
  .array(
    z.object({
      type: z.enum(['user', 'org', 'model', 'dataset', 'space', 'site']),
      name: z.string().min(1).max(300),
    }),
  )
  .max(200)
const Job = z.null('jobs are not run by this hub').optional()
const Change = z.object({
  url: z.string().nullish(),
  watched: Watched.nullish(),
  domains: Domains.nullish(),
  secret: z.string().nullish(),
  job: Job,
  jobSourceId: Job,
})
const Order = Change.extend({ url: z.string('must be a http or https URL'), watched: Watched })

/** A user's webhooks (huggingface-wire B10). The log of deliveries and their replay are ours. */
export function webhookRoutes(router: Router, parts: HfParts): void {
  const { webhooks } = parts
  const answer = (webhook: Webhook) => ({ webhook: toWire(webhook, webhooks.secretOf(webhook)) })

  router.get(BASE, async (req, res) => {
    const all = await webhooks.list(actorOf(req))
    res.json(all.map((it) => toWire(it, webhooks.secretOf(it))))
  })
  router.post(BASE, async (req, res) => {
    const actor = actorOf(req)
    const body = check(Order, await readJson(req, MAX_BODY))
    const made = await webhooks.create(
      {
        url: body.url,
        watched: body.watched,
        domains: given(body.domains) ?? ['repo', 'discussion'],
        secret: body.secret ?? undefined,
        baseUrl: parts.baseUrl(req),
      },
      actor,
    )
    res.json(answer(made))
  })
  router.get(`${BASE}/:id`, async (req, res) => {
    res.json(answer(await webhooks.read(req.params.id, actorOf(req))))
  })
  router.post(`${BASE}/:id`, async (req, res) => {
    const actor = actorOf(req)
    const body = check(Change, await readJson(req, MAX_BODY))
    const { id } = req.params
    const domains = given(body.domains)
    const watched = given(body.watched)
    // clients send null, and an empty list of what is watched, for what they do not change
    const change = {
      baseUrl: parts.baseUrl(req),
      ...(typeof body.url === 'string' ? { url: body.url } : {}),
      ...(watched ? { watched } : {}),
      ...(domains ? { domains } : {}),
      ...(typeof body.secret === 'string' ? { secret: body.secret } : {}),
    }
    res.json(answer(await webhooks.update(id, change, actor)))
  })
  router.delete(`${BASE}/:id`, async (req, res) => {
    await webhooks.remove(req.params.id, actorOf(req))
    res.json({ success: true })
  })
  for (const verb of ['enable', 'disable'] as const)
    router.post(`${BASE}/:id/${verb}`, async (req, res) => {
      res.json(answer(await webhooks.setEnabled(req.params.id, verb === 'enable', actorOf(req))))
    })
  deliveryRoutes(router, parts)
}

function deliveryRoutes(router: Router, parts: HfParts): void {
  const { webhooks } = parts
  router.get(`${BASE}/:id/deliveries`, async (req, res) => {
    const limit = intParam(req, 'limit', { min: 1, max: 200 }) ?? PAGE
    const cursor = intParam(req, 'cursor', { min: 1, max: Number.MAX_SAFE_INTEGER })
    const page = { beforeId: cursor ?? Number.MAX_SAFE_INTEGER, limit: limit + 1 }
    const found = await webhooks.listDeliveries(req.params.id, page, actorOf(req))
    const shown = found.slice(0, limit)
    const last = shown.at(-1)
    if (found.length > limit && last)
      res.set('Link', linkNext(parts.baseUrl(req), req, { cursor: String(last.id) }))
    res.json(shown.map(toDelivery))
  })
  router.get(`${BASE}/:id/deliveries/:delivery`, async (req, res) => {
    const actor = actorOf(req)
    const { id, delivery } = req.params
    res.json(toDelivery(await webhooks.readDelivery(id, numberOf(delivery), actor)))
  })
  router.post(`${BASE}/:id/deliveries/:delivery/replay`, async (req, res) => {
    const actor = actorOf(req)
    const { id, delivery } = req.params
    res.json(toDelivery(await webhooks.replay(id, numberOf(delivery), actor)))
  })
}

/** Who may not act at all hears that before anything else of the request is looked at. */
function actorOf(req: Request): Actor {
  const caller = callerOf(req)
  requireActiveUser(caller)
  return { caller, dialect: 'huggingface' }
}

function given<T>(list: readonly T[] | null | undefined): T[] | undefined {
  return list && list.length > 0 ? [...new Set(list)] : undefined
}

function numberOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new HubError('not_found', 'Delivery not found')
  return Number(text)
}

function toWire(webhook: Webhook, secret: string | undefined) {
  return {
    id: webhook.id,
    url: webhook.url,
    watched: webhook.isSite ? [SITE] : webhook.watched,
    domains: webhook.domains,
    ...(secret === undefined ? {} : { secret }),
    disabled: webhook.disabled === 'by-owner' ? true : (webhook.disabled ?? false),
  }
}

function toDelivery(it: Delivery) {
  const { repo, told } = it.event
  return {
    id: String(it.id),
    event: { action: told.action, scope: told.scope },
    repo: { type: repo.kind, name: `${repo.namespace}/${repo.name}` },
    ...(it.siteChange ? { payload: { [it.siteChange.change]: it.siteChange.address } } : {}),
    status: it.status,
    createdAt: it.createdAt,
    ...(it.finishedAt ? { finishedAt: it.finishedAt } : {}),
    attempts: it.attempts.map(({ at, durationMs, status, error }) => ({
      at,
      durationMs,
      ...(status === null ? {} : { status }),
      ...(error === null ? {} : { error }),
    })),
  }
}
