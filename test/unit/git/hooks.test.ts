import { expect, test } from 'vitest'
import type { HookCall } from '../../../src/domain/ports.js'
import { formatHookAnswer, parseHookCall, serveHooks } from '../../../src/git/hooks.js'
import { duplexPair } from '../../support/duplex-pair.js'

const dir = '/data/git/repos/ab/cd/repo_abcd00000000.git'
const zero = '0'.repeat(40)
const oid = 'a'.repeat(40)
const ref = `ref ${zero} ${oid} refs/heads/main`

test('a call is read', () => {
  const text = `hook pre-receive\nquarantine ${dir}/objects/tmp_objdir-x\noption a b\noption\u0020\n${ref}\nref ${oid} ${zero} refs/heads/\u2028x`
  expect(parseHookCall(text, dir)).toEqual({
    hook: 'pre-receive',
    quarantine: { objectDirectory: `${dir}/objects/tmp_objdir-x`, alternates: `${dir}/objects` },
    pushOptions: ['a b', ''],
    updates: [
      { name: 'refs/heads/main', oldOid: null, newOid: oid },
      { name: 'refs/heads/\u2028x', oldOid: oid, newOid: null },
    ],
  })
})

test('a call that is not exactly what the hooks write is not read', () => {
  for (const text of [
    '',
    `hook update\n${ref}`,
    `${ref}\nhook pre-receive`,
    'hook pre-receive',
    `hook pre-receive\nquarantine /elsewhere\n${ref}`,
    `hook pre-receive\nquarantine ${dir}/objects\n${ref}`,
    `hook pre-receive\nquarantine ${dir}/objects/../../x\n${ref}`,
    `hook pre-receive\n${ref}\nquarantine ${dir}/objects/x`,
    `hook pre-receive\n${ref}\noption late`,
    `hook pre-receive\n${ref}\nend`,
    `hook pre-receive\nref x y z`,
    `hook pre-receive\nref ${zero} ${oid}`,
    `hook pre-receive\n${ref}\n`,
  ])
    expect([text, parseHookCall(text, dir)]).toEqual([text, undefined])
})

test('an answer is one line each, whatever the lines hold', () => {
  expect(formatHookAnswer({ accept: true, lines: [] })).toBe('ok\n')
  expect(formatHookAnswer({ accept: false, lines: ['a\nok', 'b\r\0'] })).toBe(
    '> a ok\n> b  \nrefuse\n',
  )
})

test('only the nonce ends a call, wherever the pieces are cut', async () => {
  const { here, there } = duplexPair()
  const calls: HookCall[] = []
  serveHooks(here, { directory: dir, nonce: 'n0nce' }, async (call) => {
    calls.push(call)
    if (calls.length === 3) throw new Error('broken')
    return { accept: true, lines: ['hello'] }
  })
  const ask = async (text: string) => {
    for (const byte of text) there.write(byte)
    const [answer] = await new Promise<string[]>((resolve) =>
      there.once('data', (data: Buffer) => resolve([data.toString()])),
    )
    return answer
  }
  expect(await ask(`hook pre-receive\n${ref}\nend n0nce\n`)).toBe('> hello\nok\n')
  // a ref name with line feeds in it, as git hands it over before it looks at names
  expect(await ask(`hook pre-receive\n${ref}\nend \n${ref}2\nend n0nce\n`)).toBe(
    '> packhorse: unreadable hook call\nrefuse\n',
  )
  expect(await ask(`hook post-receive\n${ref}\nend n0nce\n`)).toBe('> hello\nok\n')
  expect(await ask(`hook post-receive\n${ref}\nend n0nce\n`)).toBe(
    '> packhorse: internal error\nrefuse\n',
  )
  expect(calls).toHaveLength(3)
  there.destroy()
})
