import { join, resolve, sep } from 'node:path'
import type { Duplex } from 'node:stream'
import type { HookAnswer, HookCall, Quarantine } from '../domain/ports.js'
import type { RefUpdate } from '../domain/types.js'

/*
 * What hooks/pre-receive and hooks/post-receive hand over, one record a line, in this order:
 *   hook pre-receive | hook post-receive
 *   quarantine <directory>          pre-receive only, absent when nothing was received
 *   option <push option>            zero or more
 *   ref <old> <new> <name>          one or more
 *   end <nonce>
 * and what they read back:
 *   > <line for the pusher>         zero or more
 *   ok | refuse
 * git checks ref names only after pre-receive, so a name may hold anything, line feeds too: only the nonce, which a
 * pusher cannot know, ends a call, and a line out of order makes the whole call unreadable.
 */
export const MAX_CALL_BYTES = 64 * 1024 * 1024

const UNREADABLE: HookAnswer = { accept: false, lines: ['packhorse: unreadable hook call'] }

/** Answers every hook call that arrives on `channel` until it closes. */
export function serveHooks(
  channel: Duplex,
  { directory, nonce }: { directory: string; nonce: string },
  onHook: (call: HookCall) => Promise<HookAnswer>,
  onError: (err: unknown) => void = () => undefined,
): void {
  const end = `\nend ${nonce}\n`
  let chunks: string[] = []
  let size = 0
  let last = ''
  channel.setEncoding('utf8')
  channel.on('data', (chunk: string) => {
    size += chunk.length
    if (size > MAX_CALL_BYTES) channel.destroy()
    chunks.push(chunk)
    last = (last + chunk).slice(-end.length)
    if (last !== end) return
    const call = parseHookCall(chunks.join('').slice(0, -end.length), directory)
    chunks = []
    size = 0
    void answerHook(call, onHook, onError).then((it) => channel.write(formatHookAnswer(it)))
  })
}

/** Never throws: what cannot be answered is refused, and `onError` hears why. */
export async function answerHook(
  call: HookCall | undefined,
  onHook: (call: HookCall) => Promise<HookAnswer>,
  onError: (err: unknown) => void,
): Promise<HookAnswer> {
  if (!call) return UNREADABLE
  try {
    return await onHook(call)
  } catch (err) {
    onError(err)
    return { accept: false, lines: ['packhorse: internal error'] }
  }
}

/** The lines of a call without its end; undefined when they are not what the hooks write. */
export function parseHookCall(text: string, directory: string): HookCall | undefined {
  const lines = text.split('\n')
  let at = 0
  const next = (key: string): string | undefined => {
    const line = lines[at]
    if (!line?.startsWith(`${key} `)) return undefined
    at += 1
    return line.slice(key.length + 1)
  }
  const hook = next('hook')
  if (hook !== 'pre-receive' && hook !== 'post-receive') return undefined
  const path = next('quarantine')
  const quarantine = path === undefined ? undefined : parseQuarantine(path, directory)
  if (path !== undefined && !quarantine) return undefined
  const pushOptions: string[] = []
  for (let it = next('option'); it !== undefined; it = next('option')) pushOptions.push(it)
  const updates: RefUpdate[] = []
  for (let it = next('ref'); it !== undefined; it = next('ref')) {
    const match = /^([0-9a-f]{40,64}) ([0-9a-f]{40,64}) (\S.*)$/s.exec(it)
    if (!match) return undefined
    const [, oldOid = '', newOid = '', name = ''] = match
    updates.push({ name, oldOid: nullIfZero(oldOid), newOid: nullIfZero(newOid) })
  }
  if (at < lines.length || updates.length === 0) return undefined
  return { hook, updates, pushOptions, quarantine }
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
