import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Request, Response } from 'express'
import { expect, onTestFinished, test } from 'vitest'
import { abortSignalOf, readAnnounced } from '../../src/http/body.js'

/** A request whose client has gone by the time that somebody looks at it, as behind a slow question to the database. */
async function abandoned(): Promise<{ req: IncomingMessage; res: ServerResponse }> {
  const server = createServer()
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const came = new Promise<{ req: IncomingMessage; res: ServerResponse }>((resolve) =>
    server.once('request', (req, res) => resolve({ req, res })),
  )
  const { port } = server.address() as AddressInfo
  const client = request({
    port,
    host: '127.0.0.1',
    method: 'POST',
    headers: { 'Content-Length': 10 },
  })
  client.on('error', () => undefined)
  client.write('half')
  const { req, res } = await came
  const gone = new Promise((resolve) => res.once('close', resolve))
  client.destroy()
  await gone
  return { req, res }
}

test('who left before the body was asked for is not waited for', async () => {
  const { req } = await abandoned()
  await expect(readAnnounced(req as Request, 100)).rejects.toMatchObject({ code: 'invalid_input' })
})

test('who left before the work began does not have it done', async () => {
  const { res } = await abandoned()
  expect(abortSignalOf(res as Response).aborted).toBe(true)
})
