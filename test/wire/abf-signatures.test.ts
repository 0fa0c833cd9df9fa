import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { encryptKey, generateKey, readPrivateKey } from 'openpgp'
import { expect, test } from 'vitest'
import { SecretBox } from '../../src/domain/packages/secret-box.js'
import { readSecretKey } from '../../src/storage/secret-key.js'
import { startAbfHub } from '../support/abf.js'
import { tempDir } from '../support/hub.js'

async function makePair() {
  const { publicKey, privateKey } = await generateKey({ userIDs: [{ email: 'sign@example.org' }] })
  return { public: publicKey, secret: privateKey }
}

const unix = (text: string) => `${text.replace(/\r\n/g, '\n').trim()}\n`

test('PUT …/signatures.json: a pair is taken, bad ones are refused and leave the old one', async () => {
  const hub = await startAbfHub()
  const { abf, ivan, root, repositoryId: id } = hub
  const machine = await hub.user('mirror')
  await hub.domain.packages.stores.systemUsers.set(machine.user.id, true)
  const [one, two] = [await makePair(), await makePair()]
  const put = async (repository: object, who = ivan) => {
    const reply = await abf(who, 'PUT', `repositories/${id}/signatures.json`, { repository })
    return [reply.status, reply.json]
  }
  const pairOf = async () =>
    (await abf(machine, 'GET', `repositories/${id}/key_pair.json`)).json.repository.key_pair
  expect(await pairOf()).toEqual({ public: '', secret: '' })
  const taken = { id, message: 'Signatures have been updated for repository successfully' }
  expect(await put({ public: one.public.replace(/\n/g, '\r\n'), secret: one.secret })).toEqual([
    200,
    { repository: taken },
  ])
  const stored = { public: unix(one.public), secret: unix(one.secret) }
  expect(await pairOf()).toEqual(stored)

  const locked = await encryptKey({
    privateKey: await readPrivateKey({ armoredKey: two.secret }),
    passphrase: 'x',
  })
  const cases: [repository: object, why: string][] = [
    [{}, "Public can't be blank. Secret can't be blank"],
    [{ public: one.public }, "Secret can't be blank"],
    [{ public: one.public, secret: ' ' }, "Secret can't be blank"],
    [{ public: one.public, secret: 7 }, 'Secret key is wrong'],
    [{ public: ['x'], secret: one.secret }, 'Public is invalid'],
    [
      { public: 'x'.repeat(10_001), secret: one.secret },
      'Public is too long (maximum is 10000 characters)',
    ],
    [{ public: 'no key', secret: 'none' }, 'Public key is wrong. Secret key is wrong'],
    [{ public: one.secret, secret: one.secret }, 'Public key is wrong'],
    [{ public: one.public, secret: one.public }, 'Secret key is wrong'],
    [{ public: one.public, secret: two.secret }, 'Key ids differ'],
    [
      { public: two.public, secret: locked.armor() },
      'Secret key must not be protected by a passphrase',
    ],
  ]
  for (const [repository, why] of cases) {
    const message = `Signatures have not been updated for repository. ${why}`
    expect(await put(repository)).toEqual([422, { repository: { id: null, message } }])
  }
  expect(await pairOf()).toEqual(stored)
  expect((await put(two, root))[0]).toBe(200)
  expect(await pairOf()).toEqual({ public: unix(two.public), secret: unix(two.secret) })
  expect((await put(one, hub.eve))[0]).toBe(403)

  const publicKey = await abf(machine, 'GET', `repositories/${id}/public_key`)
  expect([publicKey.text, publicKey.headers.get('content-type')]).toEqual([
    unix(two.public),
    'text/plain; charset=utf-8',
  ])
  for (const who of [ivan, root, hub.eve])
    for (const path of ['key_pair.json', 'public_key'])
      expect((await abf(who, 'GET', `repositories/${id}/${path}`)).status).toBe(403)
  expect((await abf(root, 'GET', 'users/mirror.json')).status).toBe(404)
  expect((await abf(machine, 'GET', 'user.json')).json.user.role).toBe('system')

  const personal = (await abf(ivan, 'GET', 'platforms/ivan_personal.json')).json.platform
  const own = `repositories/${personal.repositories[0].id}/signatures.json`
  expect((await abf(ivan, 'PUT', own, { repository: one })).status).toBe(403)
})

test('at rest the secret is encrypted, with a key that only the hub’s user can read', async () => {
  const hub = await startAbfHub()
  const pair = await makePair()
  await hub.abf(hub.ivan, 'PUT', `repositories/${hub.repositoryId}/signatures.json`, {
    repository: pair,
  })
  await hub.close()
  const db = new Database(join(hub.dataDir, 'packhorse.sqlite'), { readonly: true })
  const row = db.prepare('select * from shelf_key_pair').get() as Record<string, string>
  const events = db.prepare('select group_concat(data) as it from event').get() as { it: string }
  db.close()
  const secretLine = pair.secret.split('\n')[5] ?? ''
  expect(secretLine.length).toBeGreaterThan(20)
  const everything = Buffer.concat(
    await Promise.all(
      ['', '-wal'].map((it) =>
        readFile(join(hub.dataDir, `packhorse.sqlite${it}`)).catch(() => Buffer.alloc(0)),
      ),
    ),
  ).toString('latin1')
  expect(everything).not.toContain(secretLine)
  expect(events.it).toContain(row.fingerprint)
  expect((await stat(join(hub.dataDir, 'secret.key'))).mode & 0o777).toBe(0o600)
  const box = new SecretBox(await readSecretKey(hub.dataDir))
  expect(box.open(row.sealed_secret ?? '', `shelf ${hub.repositoryId}`)).toBe(unix(pair.secret))
  expect(() => box.open(row.sealed_secret ?? '', 'shelf 99')).toThrow('cannot be decrypted')
  const other = new SecretBox('another key of at least 32 characters')
  expect(() => other.open(row.sealed_secret ?? '', `shelf ${hub.repositoryId}`)).toThrow()
})

test('the generated key is made once, whoever asks first', async () => {
  const dir = await tempDir()
  const keys = await Promise.all(Array.from({ length: 8 }, () => readSecretKey(dir)))
  expect(new Set(keys).size).toBe(1)
  await writeFile(join(dir, 'secret.key'), 'the operator put another one here\n')
  expect(await readSecretKey(dir)).toBe('the operator put another one here')
})
