import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { readConfig } from '../../src/config/config.js'
import { openObjects } from '../../src/storage/objects/index.js'
import { tempDir } from '../support/hub.js'
import { HAS_S3, OBJECT_MODES, s3Env } from '../support/object-modes.js'
import { objectStoreContract, sha256 } from './object-store.js'

for (const mode of OBJECT_MODES)
  objectStoreContract(mode.name, async () =>
    openObjects(readConfig({ ...mode.env(), PACKHORSE_DATA: await tempDir() })),
  )

describe.skipIf(!HAS_S3)(
  'direct transfer with S3 (needs S3_ENDPOINT, see test/clients/s3.sh)',
  () => {
    const bytes = Buffer.from('what was promised')
    const other = Buffer.from('what is delivered')
    const order = { seconds: 60, size: bytes.length, sha256: sha256(bytes) }
    const put = async (url: string, body: Buffer, headers: Record<string, string>) =>
      (await fetch(url, { method: 'PUT', body: new Uint8Array(body), headers })).status

    async function open() {
      const config = readConfig({ ...s3Env({ proxy: false }), PACKHORSE_DATA: await tempDir() })
      const store = await openObjects(config)
      if (!store.direct) throw new Error('there is no direct transfer')
      return { store, direct: store.direct }
    }

    test('the server is one that binds what was signed', async () => {
      expect(await (await open()).direct.bindsPut()).toBe(true)
    })

    test('a presigned PUT takes the promised bytes and no others', async () => {
      const { store, direct } = await open()
      const { url, headers } = await direct.presignPut('lfs/a', order)
      const own = createHash('sha256').update(other).digest('base64')
      const attempts = [
        put(url, other, headers),
        put(url, other, {}),
        put(url, other, { 'x-amz-checksum-sha256': own }),
        put(url, Buffer.concat([bytes, other]), headers),
        put(url, bytes.subarray(1), headers),
        put(url.replace('/lfs/a?', '/lfs/b?'), bytes, headers),
      ]
      for (const status of await Promise.all(attempts)) expect(status).toBeGreaterThanOrEqual(400)
      expect(await store.size('lfs/a')).toBeUndefined()
      expect(await put(url, bytes, headers)).toBe(200)
      await store.verify('lfs/a', order, new AbortController().signal)
    })

    test('a presigned GET serves ranges and names the file', async () => {
      const { direct } = await open()
      const { url: to, headers } = await direct.presignPut('lfs/a', order)
      await put(to, bytes, headers)
      const url = await direct.presignGet('lfs/a', { seconds: 60, filename: 'née "x".bin' })
      const reply = await fetch(url, { headers: { Range: 'bytes=5-7' } })
      expect([reply.status, await reply.text()]).toEqual([206, 'was'])
      expect(reply.headers.get('content-disposition')).toBe(
        `attachment; filename="n_e _x_.bin"; filename*=UTF-8''n%C3%A9e%20%22x%22.bin`,
      )
    })

    test('the proxy setting leaves no presigned URLs', async () => {
      const config = readConfig({ ...s3Env({ proxy: true }), PACKHORSE_DATA: await tempDir() })
      expect((await openObjects(config)).direct).toBeUndefined()
    })
  },
)
