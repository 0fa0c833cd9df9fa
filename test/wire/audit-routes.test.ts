import express from 'express'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { noteRead, recordActs } from '../../src/http/audit.js'
import { listen, newApp } from '../../src/http/server.js'
import { changedTables, openDigest } from '../support/database-digest.js'
import { ROWS } from '../support/permission-rows.js'
import { type CallerName, type Row, type Stage, setStage } from '../support/permissions.js'

/*
 * The permission matrix's rows, held against the audit log: whatever changes the database leaves an entry, and so does every
 * request whose method can write, but for the few that read by POST. A route that nobody thought of fails here.
 */

/** Asked by a method that could write, and only reading: these leave nothing. */
const READ_BY_POST = [
  /git-upload-pack/,
  /objects\\\/batch\$$/,
  /locks\\\/verify/,
  /paths-info/,
  /preupload/,
  /validate-yaml/,
  /check-name/,
  /telemetry/,
]
let number = 0

async function send(stage: Stage, url: string, key: string, row: Row, caller: CallerName) {
  const { hub, credentials, orgId } = stage
  const method = (key.split(' ')[0] ?? 'GET').replace('ALL', 'POST')
  const { name, repoId, seq } = stage.repos.private
  const fill = (text: string) =>
    text
      .replaceAll('{id}', `lab/${name}`)
      .replaceAll('{name}', name)
      .replaceAll('{repoId}', repoId)
      .replaceAll('{seq}', String(seq))
      .replaceAll('{orgId}', String(orgId))
  const { body = ['GET', 'HEAD'].includes(method) ? undefined : {} } = row
  number += 1
  const request = `audit-${number}`
  const reply = await fetch(`${url}${fill(row.path)}`, {
    method,
    redirect: 'manual',
    headers: {
      Authorization: `Bearer ${credentials[caller]?.token}`,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...row.headers,
      'X-Request-Id': request,
    },
    ...(body === undefined ? {} : { body: fill(JSON.stringify(body)) }),
  })
  await reply.arrayBuffer()
  await hub.domain.audit.flush()
  return { method, request, entries: await hub.domain.audit.list({ request }, undefined, 10) }
}

test('every request that may write leaves an entry, and nothing changes without one', async () => {
  const stage = await setStage({
    PACKHORSE_ABF_HOURLY_CALLS: '1000000',
    PACKHORSE_AUDIT_REFUSALS: '1000000',
    PACKHORSE_JOB_INTERVAL_MS: '3600000',
  })
  const digest = openDigest(stage.hub)
  expect(digest.tables.length).toBeGreaterThan(25)
  const wrong: string[] = []
  let before = digest.read()
  for (const [key, row] of Object.entries(ROWS))
    for (const caller of ['owner', 'admin'] as const) {
      const { method, entries } = await send(stage, stage.hub.url, key, row, caller)
      const after = digest.read()
      const reads = READ_BY_POST.some((it) => it.test(key))
      const tables = changedTables(before, after)
      if (tables.length > 0 && entries.length === 0)
        wrong.push(`${key}: changed ${tables.join(', ')}, unrecorded`)
      if (method !== 'GET' && method !== 'HEAD' && !reads && entries.length === 0)
        wrong.push(`${key} as ${caller}: no entry`)
      if (reads && entries.some((it) => it.outcome === 'done'))
        wrong.push(`${key} as ${caller}: reads, but was recorded`)
      for (const it of entries)
        if (it.address === '' || it.dialect === 'none') wrong.push(`${key}: ${JSON.stringify(it)}`)
      before = after
    }
  digest.close()
  expect(wrong).toEqual([])
}, 600_000)

test('a route that writes and hides it is found by that', async () => {
  const stage = await setStage()
  const { hub } = stage
  const app = newApp({ log: pino({ level: 'silent' }), trustProxy: false })
  app.use(recordActs(hub.domain.audit, hub.domain.access))
  app.post('/sneaky', express.json(), async (req, res) => {
    noteRead(req)
    await hub.domain.stores.accounts.setMember(stage.orgId, 1, 'reader')
    res.end()
  })
  const { server, url } = await listen(app, '127.0.0.1', 0)
  const digest = openDigest(hub)
  try {
    const before = digest.read()
    const row = { path: '/sneaky' } as Row
    const { entries } = await send(stage, url, 'POST /sneaky', row, 'owner')
    expect(entries).toEqual([])
    expect(changedTables(before, digest.read())).toEqual(['org_member'])
  } finally {
    digest.close()
    server.close()
    server.closeAllConnections()
  }
})
