import { once } from 'node:events'
import { rm, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Response } from 'express'
import { expect, onTestFinished, test } from 'vitest'
import { sendBlocks } from '../../src/http/send-blocks.js'
import { type BlockSource, openFileBlocks } from '../../src/lib/blocks.js'

const SIZE = 24 * 1024 * 1024

/** A server that sends the file once for each request, and what became of it. */
async function serve() {
  const path = join(tmpdir(), `send-blocks-${process.pid}-${Math.random()}`)
  const bytes = Buffer.alloc(SIZE)
  for (let at = 0; at < SIZE; at += 4) bytes.writeUInt32LE(at, at)
  await writeFile(path, bytes)
  const outcomes: Promise<unknown>[] = []
  const sources: { closed: boolean; reads: number }[] = []
  const server = createServer((_req, res) => {
    const sent = openFileBlocks(path).then((stream) => {
      const seen = { closed: false, reads: 0 }
      sources.push(seen)
      res.setHeader('Content-Length', SIZE)
      return sendBlocks(res as Response, watched(stream.takeBlocks(), seen), SIZE)
    })
    outcomes.push(
      sent.then(
        () => 'sent',
        (err: Error) => err.message,
      ),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await rm(path)
  })
  const { port } = server.address() as AddressInfo
  return { path, bytes, outcomes, sources, port, url: `http://127.0.0.1:${port}/` }
}

function watched(source: BlockSource, seen: { closed: boolean; reads: number }): BlockSource {
  return {
    next: (size) => {
      seen.reads += 1
      return source.next(size)
    },
    close: async () => {
      await source.close()
      seen.closed = true
    },
  }
}

test('many at once get the right bytes though they share memory', async () => {
  const { url, bytes, outcomes, sources } = await serve()
  const replies = await Promise.all(
    Array.from({ length: 6 }, async () => Buffer.from(await (await fetch(url)).arrayBuffer())),
  )
  for (const reply of replies) expect(reply.equals(bytes)).toBe(true)
  expect(await Promise.all(outcomes)).toEqual(Array(6).fill('sent'))
  expect(sources.every((it) => it.closed)).toBe(true)
})

test('a client that reads nothing makes nothing be read ahead, and one that goes lets go of the file', async () => {
  const { port, outcomes, sources } = await serve()
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await new Promise((resolve) => setTimeout(resolve, 300))
  // what the kernel takes on both sides, two blocks under way and one read ahead; not the whole file
  expect(sources[0]?.reads).toBeLessThan(30)
  expect(sources[0]?.closed).toBe(false)
  socket.destroy()
  expect(await outcomes[0]).toBe('sent')
  expect(sources[0]?.closed).toBe(true)
})

test('a file that is shorter than promised cuts the connection', async () => {
  const { url, path, outcomes, sources } = await serve()
  await truncate(path, SIZE - 1)
  const reply = await fetch(url)
  await expect(reply.arrayBuffer()).rejects.toThrow()
  expect(await outcomes[0]).toContain('end 1 before their size')
  expect(sources[0]?.closed).toBe(true)
})
