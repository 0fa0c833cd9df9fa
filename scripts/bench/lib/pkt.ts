/**
 * The requests of git's protocol v2, as git 2.39 sends them over HTTP.
 *   pkt-line = 4 hex digits of length (counting themselves) + payload; 0000 = flush, 0001 = delimiter
 * Written apart from the hub's own codec: a bench that shares code with what it measures shares its mistakes.
 */
import { gzipSync } from 'node:zlib'

const FLUSH = '0000'
const DELIMITER = '0001'

function pkt(line: string): string {
  return (Buffer.byteLength(line) + 4).toString(16).padStart(4, '0') + line
}

function command(name: string, args: readonly string[]): Buffer {
  const head = [`command=${name}`, 'agent=git/2.39.5', 'object-format=sha1'].map(pkt).join('')
  return Buffer.from(head + DELIMITER + args.map((arg) => pkt(`${arg}\n`)).join('') + FLUSH)
}

export function lsRefsRequest(prefixes: readonly string[] = []): Buffer {
  return command('ls-refs', [
    'peel',
    'symrefs',
    'unborn',
    ...prefixes.map((prefix) => `ref-prefix ${prefix}`),
  ])
}

export interface Fetch {
  readonly wants: readonly string[]
  readonly haves?: readonly string[]
  readonly depth?: number
}

export function fetchRequest({ wants, haves = [], depth }: Fetch): Buffer {
  return command('fetch', [
    'thin-pack',
    'no-progress',
    'include-tag',
    'ofs-delta',
    ...(depth === undefined ? [] : [`deepen ${depth}`]),
    ...wants.map((oid) => `want ${oid}`),
    ...haves.map((oid) => `have ${oid}`),
    'done',
  ])
}

export interface Ref {
  readonly oid: string
  readonly name: string
}

export function parseLsRefs(answer: Buffer): Ref[] {
  const refs: Ref[] = []
  for (let at = 0; at + 4 <= answer.length; ) {
    const size = Number.parseInt(answer.toString('latin1', at, at + 4), 16)
    if (size < 4) {
      at += 4
      continue
    }
    const [oid, name] = answer
      .toString('utf8', at + 4, at + size)
      .trimEnd()
      .split(' ')
    if (oid && name && oid !== 'unborn') refs.push({ oid, name })
    at += size
  }
  return refs
}

/** git compresses request bodies over 1 KiB, so a server has to undo that for every clone of many refs. */
export function asSent(body: Buffer): { body: Buffer; headers: Record<string, string> } {
  if (body.length <= 1024) return { body, headers: {} }
  return { body: gzipSync(body), headers: { 'Content-Encoding': 'gzip' } }
}
