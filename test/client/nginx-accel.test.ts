import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freePort, untilItServes } from '../support/front-server.js'
import { startTestHub, type TestHub, tempDir } from '../support/hub.js'
import { batch, pointerOf, randomObject, send, uploadAll } from '../support/lfs.js'

/* The nginx of docs/operations.md in front of a real hub: it sends the files, and nobody gets around the hub. */

const version = (() => {
  try {
    return execFileSync('nginx', ['-v'], {
      stdio: 'pipe',
      env: { PATH: `${process.env.PATH}:/usr/sbin` },
    })
  } catch {
    return undefined
  }
})()
if (version === undefined)
  console.warn('skipped: nginx is not installed (apt-get install nginx-light)')

/** The location that the documentation says, for this data directory. */
async function documentedLocation(dataDir: string): Promise<string> {
  const docs = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  const block = /^ {2}location \/packhorse-objects\/lfs\/ \{\n[\s\S]*?^ {2}\}\n/m.exec(docs)?.[0]
  if (!block?.includes('internal;')) throw new Error('the documentation has no such location')
  return block.replace('/var/lib/packhorse', dataDir)
}

async function startNginx(hub: TestHub): Promise<string> {
  const dir = await tempDir()
  const port = await freePort()
  await mkdir(join(dir, 'tmp'))
  const temps = ['client_body', 'fastcgi', 'proxy', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${dir}/tmp/${name};`)
    .join('\n')
  const conf = join(dir, 'nginx.conf')
  await writeFile(
    conf,
    `daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${dir}/pid;
error_log stderr;
events {}
http {
  access_log off;
  ${temps}
  server {
    listen 127.0.0.1:${port};
    ${await documentedLocation(hub.dataDir)}
    location / {
      proxy_pass ${hub.url};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Connection "";
      proxy_buffering off;
    }
  }
}
`,
  )
  const env = { PATH: `${process.env.PATH}:/usr/sbin` }
  const nginx = spawn('nginx', ['-p', dir, '-c', conf, '-e', 'stderr'], { env, stdio: 'ignore' })
  onTestFinished(async () => {
    nginx.kill('SIGTERM')
    await once(nginx, 'exit')
  })
  const url = `http://127.0.0.1:${port}`
  await untilItServes(url, async () => 'nginx')
  return url
}

test.skipIf(version === undefined)(
  'nginx sends LFS objects for the hub, and only when it says so',
  async () => {
    const hub = await startTestHub({ PACKHORSE_ACCEL_REDIRECT: '/packhorse-objects/' })
    const ada = await hub.user('ada')
    const made = await hub.api('/api/repos/create', { as: ada, body: { name: 'm', private: true } })
    expect(made.status).toBe(200)
    const object = randomObject(300_000)
    await uploadAll(hub, 'ada/m.git', ada, [object])
    const lines = [
      { key: 'header', value: { summary: 'a file', description: '' } },
      { key: 'lfsFile', value: { path: 'big file.bin', algo: 'sha256', ...pointerOf(object) } },
    ]
    const committed = await hub.api('/api/models/ada/m/commit/main', {
      as: ada,
      body: lines.map((it) => JSON.stringify(it)).join('\n'),
      headers: { 'Content-Type': 'application/x-ndjson' },
    })
    expect(committed.status).toBe(200)
    const nginx = await startNginx(hub)
    const file = '/ada/m/resolve/main/big%20file.bin'
    const auth = { Authorization: `Bearer ${ada.token}` }
    const get = (headers: Record<string, string> = {}, path = file) =>
      send('GET', `${nginx}${path}`, { headers: { ...auth, ...headers } })

    const whole = await get()
    expect(whole.status).toBe(200)
    expect(whole.body.equals(object.bytes)).toBe(true)
    expect(whole.headers).toMatchObject({
      etag: `"${object.oid}"`,
      'accept-ranges': 'bytes',
      'content-length': '300000',
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'x-linked-size': '300000',
      'x-linked-etag': `"${object.oid}"`,
    })
    const direct = await send('HEAD', `${hub.url}${file}`, { headers: auth })
    for (const name of [
      'content-disposition',
      'x-repo-commit',
      'content-security-policy',
      'cache-control',
    ])
      expect([name, whole.headers[name]]).toEqual([name, direct.headers[name]])
    expect(whole.headers['content-disposition']).toContain('big%20file.bin')

    const part = await get({ Range: 'bytes=1000-1999' })
    expect([part.status, part.headers['content-range']]).toEqual([206, 'bytes 1000-1999/300000'])
    expect(part.headers.etag).toBe(`"${object.oid}"`)
    expect(part.body.equals(object.bytes.subarray(1000, 2000))).toBe(true)
    const tail = await get({ Range: 'bytes=-5' })
    expect(tail.body.equals(object.bytes.subarray(-5))).toBe(true)
    expect((await get({ Range: 'bytes=300000-' })).status).toBe(416)
    const several = await get({ Range: 'bytes=0-1,10-11' })
    expect(several.status).toBe(206)
    expect(several.headers['content-type']).toContain('multipart/byteranges')
    expect((await get({ 'If-None-Match': `"${object.oid}"` })).status).toBe(304)
    expect((await get({ 'If-Modified-Since': new Date().toUTCString() })).status).toBe(200)
    const resumed = await get({ Range: 'bytes=5-9', 'If-Range': `"${object.oid}"` })
    expect([resumed.status, resumed.body.length]).toEqual([206, 5])
    const changed = await get({ Range: 'bytes=5-9', 'If-Range': '"another"' })
    expect([changed.status, changed.body.length]).toEqual([200, 300_000])

    const { objects } = await batch(hub, 'ada/m.git', 'download', [pointerOf(object)], { as: ada })
    const link = new URL(objects[0]?.actions?.download.href ?? '')
    const byLink = await send('GET', `${nginx}${link.pathname}${link.search}`)
    expect(byLink.body.equals(object.bytes)).toBe(true)
    expect(byLink.headers['content-disposition']).toBe('attachment')

    // it was nginx: the hub itself, asked by a proxy, only names the file
    const named = await send('GET', `${hub.url}${file}`, {
      headers: { ...auth, 'X-Forwarded-For': '203.0.113.9' },
    })
    const internal = String(named.headers['x-accel-redirect'])
    expect(internal).toMatch(/^\/packhorse-objects\/lfs\/[0-9a-f/]+-[\w-]+$/)
    expect([named.status, named.body.length]).toEqual([200, 0])
    // who comes directly gets the bytes and hears nothing of it
    const bytes = await send('GET', `${hub.url}${file}`, { headers: auth })
    expect(bytes.body.equals(object.bytes)).toBe(true)
    expect(bytes.headers['x-accel-redirect']).toBeUndefined()

    // nobody gets around the hub
    expect(whole.headers['x-accel-redirect']).toBeUndefined()
    for (const path of [
      internal,
      '/packhorse-objects/lfs/',
      '/packhorse-objects/lfs/../../packhorse.sqlite',
      '/packhorse-objects/lfs/%2e%2e/%2e%2e/packhorse.sqlite',
      '/packhorse-objects/lfs..%2f..%2fpackhorse.sqlite',
      '/packhorse-objects/packhorse.sqlite',
    ])
      expect([path, (await get({}, path)).status]).toEqual([path, 404])
    const stranger = await send('GET', `${nginx}${file}`)
    expect([stranger.status, stranger.body.includes(object.bytes.subarray(0, 100))]).toEqual([
      401,
      false,
    ])
  },
  60_000,
)
