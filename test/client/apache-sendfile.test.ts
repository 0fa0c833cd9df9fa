import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, readFile, realpath, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freePort, untilItServes } from '../support/front-server.js'
import { startTestHub, type TestHub, tempDir } from '../support/hub.js'
import { batch, createRepo, pointerOf, randomObject, send, uploadAll } from '../support/lfs.js'

/* The Apache of docs/operations.md in front of a real hub: it sends the files that X-Sendfile names. */

const MODULES = '/usr/lib/apache2/modules'
const isInstalled = existsSync('/usr/sbin/apache2') && existsSync(join(MODULES, 'mod_xsendfile.so'))
if (!isInstalled)
  console.warn('skipped: apt-get install apache2-bin libapache2-mod-xsendfile for this test')

/** What the documentation says, for this hub. */
async function documentedLines(hub: TestHub): Promise<string> {
  const docs = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  const lines = /^```apache\n([\s\S]*?)^```$/m.exec(docs)?.[1]
  if (!lines?.includes('XSendFilePath')) throw new Error('the documentation has no such lines')
  return lines.replace('/var/lib/packhorse', hub.dataDir).replace('http://127.0.0.1:28080', hub.url)
}

async function startApache(hub: TestHub): Promise<string> {
  const dir = await tempDir()
  const port = await freePort()
  const isRoot = process.getuid?.() === 0
  if (isRoot) {
    // Apache does not serve as root: its account has to reach the files
    for (let it = hub.dataDir; it !== tmpdir() && it !== '/'; it = dirname(it))
      await chmod(it, 0o755)
    execFileSync('chmod', ['-R', 'a+rX', join(hub.dataDir, 'objects')])
  }
  const modules = ['mpm_event', 'authz_core', 'headers', 'proxy', 'proxy_http', 'xsendfile']
  const lines = [
    `ServerRoot ${dir}`,
    'ServerName 127.0.0.1',
    `Listen 127.0.0.1:${port}`,
    `PidFile ${dir}/pid`,
    `ErrorLog ${dir}/log`,
    ...modules.map((it) => `LoadModule ${it}_module ${MODULES}/mod_${it}.so`),
    ...(isRoot ? ['User www-data', 'Group www-data'] : []),
    await documentedLines(hub),
  ]
  await writeFile(join(dir, 'apache.conf'), lines.join('\n'))
  const args = ['-D', 'FOREGROUND', '-f', join(dir, 'apache.conf')]
  const apache = spawn('/usr/sbin/apache2', args, { stdio: 'ignore' })
  onTestFinished(async () => {
    apache.kill('SIGTERM')
    if (apache.exitCode === null) await once(apache, 'exit')
  })
  const url = `http://127.0.0.1:${port}`
  await untilItServes(url, () => readFile(join(dir, 'log'), 'utf8'))
  return url
}

/** A folder on the way to the hub's files that Apache's account may not pass, and that is not ours to open. */
async function closedFolder(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return undefined
  for (let it = await realpath(tmpdir()); ; it = dirname(it)) {
    if (((await stat(it)).mode & 0o001) === 0) return it
    if (it === dirname(it)) return undefined
  }
}

test.skipIf(!isInstalled)(
  'Apache sends LFS objects for the hub, whole and in parts',
  async ({ skip }) => {
    const closed = await closedFolder()
    if (closed) {
      console.warn(
        `skipped: www-data may not pass ${closed}, set TMPDIR to a folder that all may pass`,
      )
      skip()
    }
    const hub = await startTestHub({ PACKHORSE_ACCEL_REDIRECT: 'x-sendfile' })
    const ada = await hub.user('ada')
    await createRepo(hub, ada, 'm')
    const object = randomObject(3_000_000)
    await uploadAll(hub, 'ada/m.git', ada, [object])
    const { objects } = await batch(hub, 'ada/m.git', 'download', [pointerOf(object)], { as: ada })
    const link = new URL(objects[0]?.actions?.download.href ?? '')
    const apache = await startApache(hub)
    const get = (headers: Record<string, string> = {}) =>
      send('GET', `${apache}${link.pathname}${link.search}`, { headers })

    // the hub names the file to whom it believes to be a proxy
    const named = await send('GET', link.href, { headers: { 'X-Forwarded-For': '203.0.113.9' } })
    expect([named.body.length, named.headers['x-sendfile']]).toEqual([
      0,
      expect.stringContaining(join(hub.dataDir, 'objects', 'lfs')),
    ])
    const whole = await get()
    expect([whole.status, whole.headers['x-sendfile']]).toEqual([200, undefined])
    expect(whole.body.equals(object.bytes)).toBe(true)
    expect(whole.headers).toMatchObject({
      etag: `"${object.oid}"`,
      'content-length': '3000000',
      'content-disposition': 'attachment',
      'x-content-type-options': 'nosniff',
    })
    const part = await get({ Range: 'bytes=1000-1999' })
    expect([part.status, part.headers['content-range']]).toEqual([206, 'bytes 1000-1999/3000000'])
    expect(part.body.equals(object.bytes.subarray(1000, 2000))).toBe(true)
    expect((await get({ 'If-None-Match': `"${object.oid}"` })).status).toBe(304)
    // the file's age says nothing about what stands at an address
    expect((await get({ 'If-Modified-Since': new Date().toUTCString() })).status).toBe(200)
    const resumed = await get({ Range: 'bytes=5-9', 'If-Range': `"${object.oid}"` })
    expect([resumed.status, resumed.body.length]).toEqual([206, 5])
  },
)
