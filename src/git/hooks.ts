import { join, resolve, sep } from 'node:path'
import type { Duplex } from 'node:stream'
import type { HookAnswer, HookCall, Quarantine } from '../domain/ports.js'
import type { RefUpdate } from '../domain/types.js'

/*
 * What hooks/pre-receive and hooks/post-receive write to their channel, one record a line:
 *   hook pre-receive | hook post-receive
 *   quarantine <directory>          pre-receive only, absent when nothing was received
 *   option <push option>            zero or more
 *   ref <old> <new> <name>          one or more
 *   end
 * and what they read back:
 *   > <line for the pusher>         zero or more
 *   ok | refuse
 */
const MAX_CALL_BYTES = 64 * 1024 * 1024

/** Answers every hook call that arrives on `channel` until it closes. */
export function serveHooks(
  channel: Duplex,
  directory: string,
  onHook: (call: HookCall) => Promise<HookAnswer>,
  onError: (err: unknown) => void = () => undefined,
): void {
  let text = ''
  channel.setEncoding('utf8')
  channel.on('data', (chunk: string) => {
    text += chunk
    if (text.length > MAX_CALL_BYTES) channel.destroy()
    if (!text.endsWith('\nend\n')) return
    const call = parseHookCall(text, directory)
    text = ''
    const answer = call
      ? onHook(call)
      : Promise.resolve({ accept: false, lines: ['packhorse: unreadable hook call'] })
    answer.then(
      (it) => channel.write(formatHookAnswer(it)),
      (err) => {
        onError(err)
        channel.write(formatHookAnswer({ accept: false, lines: ['packhorse: internal error'] }))
      },
    )
  })
}

export function parseHookCall(text: string, directory: string): HookCall | undefined {
  let hook: HookCall['hook'] | undefined
  let quarantine: Quarantine | undefined
  const updates: RefUpdate[] = []
  const pushOptions: string[] = []
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ')
    const key = space < 0 ? line : line.slice(0, space)
    const value = line.slice(space + 1)
    if (key === 'hook' && (value === 'pre-receive' || value === 'post-receive')) hook = value
    else if (key === 'quarantine') quarantine = parseQuarantine(value, directory)
    else if (key === 'option') pushOptions.push(value)
    else if (key === 'ref') {
      const match = /^([0-9a-f]{40,64}) ([0-9a-f]{40,64}) (\S.*)$/.exec(value)
      if (!match) return undefined
      const [, oldOid = '', newOid = '', name = ''] = match
      updates.push({ name, oldOid: nullIfZero(oldOid), newOid: nullIfZero(newOid) })
    }
  }
  return hook && { hook, updates, pushOptions, quarantine }
}

function parseQuarantine(path: string, directory: string): Quarantine | undefined {
  const objects = join(directory, 'objects')
  const absolute = resolve(directory, path)
  if (!absolute.startsWith(objects + sep)) return undefined
  return { objectDirectory: absolute, alternates: objects }
}

export function formatHookAnswer(answer: HookAnswer): string {
  const lines = answer.lines.map((line) => `> ${line.replace(/[\r\n\0]/g, ' ')}\n`)
  return `${lines.join('')}${answer.accept ? 'ok' : 'refuse'}\n`
}

export function nullIfZero(oid: string): string | null {
  return /^0+$/.test(oid) ? null : oid
}
