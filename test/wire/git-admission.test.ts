import { randomBytes } from 'node:crypto'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DELIM, FLUSH, pktLine } from '../../src/protocol/pkt-line.js'
import { commitFiles, createRepo, initWork } from '../support/git-work.js'
import { git, gitOk, startTestHub, type TestUser, tempDir } from '../support/hub.js'
import { startProcess } from '../support/process.js'
import { rawRequest } from '../support/raw-http.js'

test('two dear clones leave ls-refs, small fetches and kept answers free; who waits too long is told when to come again', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const eve = await hub.user('eve')
  const dir = await tempDir()
  const tips: Record<string, string> = {}
  for (const name of ['one', 'two', 'three', 'four']) {
    await createRepo(hub, ada, name)
    const work = await initWork(dir, name, { files: { 'big.bin': randomBytes(100_000) } })
    await commitFiles(work, { 'a.txt': 'a\n' })
    await gitOk(work, ['push', '-q', hub.gitUrl(`ada/${name}.git`, ada), 'main'])
    tips[name] = await gitOk(work, ['rev-parse', 'main'])
  }
  const ask = (base: string, name: string, as: TestUser, more: readonly string[] = []) =>
    rawRequest(base, `/ada/${name}.git/git-upload-pack`, {
      method: 'POST',
      as,
      headers: {
        'Content-Type': 'application/x-git-upload-pack-request',
        'Git-Protocol': 'version=2',
      },
      body: Buffer.concat([
        pktLine('command=fetch'),
        pktLine('object-format=sha1'),
        DELIM,
        ...['ofs-delta', 'no-progress', `want ${tips[name]}`, ...more, 'done'].map((it) =>
          pktLine(`${it}\n`),
        ),
        FLUSH,
      ]),
    })
  // kept before the others come
  await ask(hub.url, 'four', ada)

  // a git whose clones take as long as this test wants
  const slow = join(dir, 'slow')
  await mkdir(slow)
  await writeFile(
    join(slow, 'git'),
    `#!/bin/sh
PATH='${process.env.PATH}'
case " $* " in
*" upload-pack "*)
  cat > "${slow}/$$"
  grep -q 'have ' "${slow}/$$" || until [ -e '${slow}/go' ]; do sleep 0.1; done
  exec git "$@" < "${slow}/$$" ;;
*) exec git "$@" ;;
esac
`,
  )
  await chmod(join(slow, 'git'), 0o755)
  const { url } = await startProcess(['--data', hub.dataDir, '--port', '0'], {
    PATH: `${slow}:${process.env.PATH}`,
    PACKHORSE_LOG_LEVEL: 'silent',
    PACKHORSE_PACK_PROCESSES: '2',
    PACKHORSE_PACK_WAIT_SECONDS: '1',
  })
  const dear = [ask(url, 'one', ada), ask(url, 'two', ada)]
  const refused = await ask(url, 'three', eve)
  expect([refused.status, refused.headers['retry-after']]).toEqual([503, '30'])
  expect(refused.body.toString()).toMatch(
    /^The server is busy with other fetches\. Try again in 30/,
  )

  const kept = await ask(url, 'four', eve)
  expect([kept.status, kept.body.subarray(-4).toString()]).toEqual([200, '0000'])
  const half = await gitOk(join(dir, 'three'), ['rev-parse', 'main~1'])
  const small = await ask(url, 'three', eve, [`have ${half}`])
  expect([small.status, small.body.includes('PACK')]).toEqual([200, true])
  const there = new URL(url)
  there.username = eve.name
  there.password = eve.token
  expect(await gitOk(dir, ['ls-remote', `${there}ada/one.git`, 'main'])).toContain(tips.one)
  // git shows the reason
  const { code, stderr } = await git(dir, ['clone', '-q', '--bare', `${there}ada/three.git`, 'no'])
  expect(code).not.toBe(0)
  expect(stderr).toContain('503')

  await writeFile(join(slow, 'go'), '')
  for (const { status, body } of await Promise.all(dear))
    expect([status, body.subarray(-4).toString()]).toEqual([200, '0000'])
  expect((await ask(url, 'three', eve)).status).toBe(200)
})
