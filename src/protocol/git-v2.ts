import { FLUSH, type Packet, packetText, pktLine } from './pkt-line.js'

/*
 * Protocol v2 (gitprotocol-v2(5)): the capability advertisement and the ls-refs command, both answered without git.
 */
export function advertiseV2(objectFormat: 'sha1' | 'sha256', agent: string): Buffer {
  const lines = [
    'version 2',
    `agent=${agent}`,
    'ls-refs=unborn',
    'fetch=shallow wait-for-done filter',
    'server-option',
    `object-format=${objectFormat}`,
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
}

const MAX_PREFIXES = 65_536

/** Arguments after the delimiter; unknown ones are ignored as newer clients may send them. */
export function parseLsRefs(packets: readonly Packet[]): LsRefsRequest {
  const delim = packets.findIndex((it) => it.type === 'delim')
  const args = delim < 0 ? [] : packets.slice(delim + 1).map(packetText)
  const prefixes = args.flatMap((it) => (it.startsWith('ref-prefix ') ? [it.slice(11)] : []))
  return {
    peel: args.includes('peel'),
    symrefs: args.includes('symrefs'),
    unborn: args.includes('unborn'),
    // git itself ignores the filter when a client sends absurdly many
    prefixes: prefixes.length > MAX_PREFIXES ? [] : prefixes,
  }
}

export interface RefList {
  readonly defaultBranch: string
  readonly headOid: string | null
  /** Sorted by name. */
  readonly refs: readonly { readonly name: string; readonly oid: string }[]
  readonly peeled: ReadonlyMap<string, string>
}

export function formatLsRefs(request: LsRefsRequest, list: RefList): Buffer {
  const lines: string[] = []
  const target = `refs/heads/${list.defaultBranch}`
  if (request.prefixes.length === 0 || request.prefixes.some((it) => 'HEAD'.startsWith(it))) {
    const symref = request.symrefs ? ` symref-target:${target}` : ''
    if (list.headOid) lines.push(`${list.headOid} HEAD${symref}`)
    else if (request.unborn) lines.push(`unborn HEAD${symref}`)
  }
  for (const { name, oid } of matching(list.refs, request.prefixes)) {
    const peeled = request.peel ? list.peeled.get(name) : undefined
    lines.push(peeled ? `${oid} ${name} peeled:${peeled}` : `${oid} ${name}`)
  }
  return Buffer.concat([...lines.map((it) => pktLine(`${it}\n`)), FLUSH])
}

/** Refs under any of the prefixes, each once, found by binary search. */
function matching<R extends { name: string }>(
  refs: readonly R[],
  prefixes: readonly string[],
): R[] {
  if (prefixes.length === 0) return [...refs]
  const found = new Set<R>()
  for (const prefix of new Set(prefixes)) {
    let low = 0
    let high = refs.length
    while (low < high) {
      const mid = (low + high) >> 1
      if ((refs[mid] as R).name < prefix) low = mid + 1
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
    : [...found].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}
