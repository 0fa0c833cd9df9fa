import { FLUSH, type Packet, PktLineError, packetText, pktLine, pktLines } from './pkt-line.js'

/*
 * Protocol v2 (gitprotocol-v2(5)): the capability advertisement and the ls-refs command, both answered without git.
 */
export function advertiseV2(
  objectFormat: 'sha1' | 'sha256',
  agent: string,
  more: readonly string[] = [],
): Buffer {
  const lines = [
    'version 2',
    `agent=${agent}`,
    'ls-refs=unborn',
    'fetch=shallow wait-for-done filter',
    'server-option',
    `object-format=${objectFormat}`,
    ...more,
  ]
  return Buffer.concat([...lines.map((it) => pktLine(`${it}\n`)), FLUSH])
}

/** `command=…` of a v2 request, read off its first packet. */
export function commandOf(first: Packet): string | undefined {
  return /^command=([a-z-]+)$/.exec(packetText(first))?.[1]
}

export interface LsRefsRequest {
  readonly peel: boolean
  readonly symrefs: boolean
  readonly unborn: boolean
  readonly prefixes: readonly string[]
  /** What the client takes the repository's object ids for. */
  readonly objectFormat: string
}

const TOO_MANY_PREFIXES = 65_536

/**
 * A whole ls-refs request; unknown arguments are ignored as newer clients may send them.
 * Throws PktLineError when it does not end with a flush.
 */
export function parseLsRefs(packets: readonly Packet[]): LsRefsRequest {
  if (packets.at(-1)?.type !== 'flush')
    throw new PktLineError('expected flush after ls-refs arguments')
  const delim = packets.findIndex((it) => it.type === 'delim')
  const head = (delim < 0 ? packets : packets.slice(0, delim)).map(packetText)
  const args = delim < 0 ? [] : packets.slice(delim + 1).map(packetText)
  const prefixes = args.flatMap((it) => (it.startsWith('ref-prefix ') ? [it.slice(11)] : []))
  const format = head.find((it) => it.startsWith('object-format='))
  return {
    peel: args.includes('peel'),
    symrefs: args.includes('symrefs'),
    unborn: args.includes('unborn'),
    // git itself ignores the filter when a client sends absurdly many
    prefixes: prefixes.length >= TOO_MANY_PREFIXES ? [] : prefixes,
    objectFormat: format?.slice('object-format='.length) ?? 'sha1',
  }
}

export interface ListedRef {
  readonly name: string
  readonly oid: string
  readonly symref?: string
}

export interface RefList {
  readonly defaultBranch: string
  readonly headOid: string | null
  /** Sorted by `compareRefNames`. */
  readonly refs: readonly ListedRef[]
  readonly peeled: ReadonlyMap<string, string>
}

export function formatLsRefs(request: LsRefsRequest, list: RefList): Buffer {
  const lines: string[] = []
  const target = `refs/heads/${list.defaultBranch}`
  if (request.prefixes.length === 0 || request.prefixes.some((it) => 'HEAD'.startsWith(it))) {
    const symref = request.symrefs ? ` symref-target:${target}` : ''
    if (list.headOid) lines.push(`${list.headOid} HEAD${symref}`)
    // without symrefs there would be nothing to say
    else if (request.unborn && request.symrefs) lines.push(`unborn HEAD${symref}`)
  }
  for (const { name, oid, symref } of matching(list.refs, request.prefixes)) {
    const peeled = request.peel ? list.peeled.get(name) : undefined
    const leads = request.symrefs && symref ? ` symref-target:${symref}` : ''
    lines.push(`${oid} ${name}${leads}${peeled ? ` peeled:${peeled}` : ''}`)
  }
  return Buffer.concat([pktLines(lines.map((it) => `${it}\n`)), FLUSH])
}

/** Refs under any of the prefixes, each once, found by binary search. */
function matching<R extends ListedRef>(refs: readonly R[], prefixes: readonly string[]): R[] {
  if (prefixes.length === 0) return [...refs]
  const found = new Set<R>()
  for (const prefix of new Set(prefixes)) {
    let low = 0
    let high = refs.length
    while (low < high) {
      const mid = (low + high) >> 1
      if (compareRefNames((refs[mid] as R).name, prefix) < 0) low = mid + 1
      else high = mid
    }
    for (let at = low; at < refs.length; at += 1) {
      const ref = refs[at] as R
      if (!ref.name.startsWith(prefix)) break
      found.add(ref)
    }
  }
  return prefixes.length === 1
    ? [...found]
    : [...found].sort((a, b) => compareRefNames(a.name, b.name))
}

/** git's order: by the bytes of the UTF-8 name. UTF-16 units, which `<` compares, differ from it above U+D7FF only. */
export function compareRefNames(a: string, b: string): number {
  if (HIGH.test(a) || HIGH.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : a > b ? 1 : 0
}

const HIGH = /[\ud800-\uffff]/
