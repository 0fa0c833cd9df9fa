import { DELIM, FLUSH, type Packet, packetText, pktLine, pktLines } from './pkt-line.js'

/*
 * Fetches whose answer depends on nothing but the request and the repository, so that one answer serves all who ask the
 * same: v2 (gitprotocol-v2(5) "fetch"), and of v0 and v1 the plain clone (gitprotocol-pack(5) "Packfile Negotiation").
 */
export interface FetchRequest {
  /** In order, each once. */
  readonly wants: readonly string[]
  /** As they came: git takes the first ones it knows. */
  readonly haves: readonly string[]
  readonly done: boolean
  readonly depth: number | undefined
  /** Seconds since 1970. */
  readonly since: number | undefined
  readonly filter: string | undefined
  readonly includeTag: boolean
  readonly ofsDelta: boolean
}

/** Filters that name no object of the repository (git-rev-list(1) --filter); `sparse:oid=` reads one. */
const FILTER =
  /^(blob:none|blob:limit=\d{1,18}[kmg]?|tree:\d{1,9}|object:type=(blob|tree|commit|tag))$/
const OID = /^([0-9a-f]{40}|[0-9a-f]{64})$/
/** They change nothing in the answer, or only what is said beside the pack while it is being made. */
const WITHOUT_EFFECT = new Set(['thin-pack', 'no-progress'])

/**
 * A whole v2 message. Undefined for what is no fetch, or one whose answer hangs on more than its objects: shallow clients,
 * names of refs, arguments this hub does not know.
 */
export function parseFetchV2(
  packets: readonly Packet[],
  objectFormat: string,
): FetchRequest | undefined {
  const delim = packets.findIndex((it) => it.type === 'delim')
  if (delim < 0 || packets.at(-1)?.type !== 'flush') return undefined
  const head = packets.slice(0, delim)
  const args = packets.slice(delim + 1, -1)
  if ([...head, ...args].some((it) => it.type !== 'data')) return undefined
  const [command, ...capabilities] = head.map(packetText)
  if (command !== 'command=fetch' || !knownCapabilities(capabilities, objectFormat))
    return undefined
  const wants = new Set<string>()
  const haves: string[] = []
  const flags = new Set<string>()
  const values = new Map<string, string>()
  for (const line of args.map(packetText)) {
    const space = line.indexOf(' ')
    const name = space < 0 ? line : line.slice(0, space)
    const value = space < 0 ? '' : line.slice(space + 1)
    if ((name === 'want' || name === 'have') && OID.test(value))
      name === 'want' ? wants.add(value) : haves.push(value)
    else if (space < 0 && FLAGS.has(name)) flags.add(name)
    else if (VALUES.get(name)?.test(value) && !values.has(name)) values.set(name, value)
    else if (!WITHOUT_EFFECT.has(line)) return undefined
  }
  if (wants.size === 0 || (haves.length === 0 && !flags.has('done'))) return undefined
  const number = (name: string) => (values.has(name) ? Number(values.get(name)) : undefined)
  return {
    wants: [...wants].sort(),
    haves,
    done: flags.has('done'),
    depth: number('deepen'),
    since: number('deepen-since'),
    filter: values.get('filter'),
    includeTag: flags.has('include-tag'),
    ofsDelta: flags.has('ofs-delta'),
  }
}

const FLAGS = new Set(['done', 'include-tag', 'ofs-delta'])
const VALUES = new Map([
  ['deepen', /^[1-9]\d{0,9}$/],
  ['deepen-since', /^[1-9]\d{0,11}$/],
  ['filter', FILTER],
])

function knownCapabilities(capabilities: readonly string[], objectFormat: string): boolean {
  const format = capabilities.find((it) => it.startsWith('object-format='))
  return (
    (format ?? 'object-format=sha1') === `object-format=${objectFormat}` &&
    capabilities.every((it) => /^(agent|object-format|session-id|server-option)=/.test(it))
  )
}

/** A whole v0 or v1 message: wants, flush, done, nothing else, by a client that takes packs in side-band-64k. */
export function parseCloneV0(packets: readonly Packet[]): FetchRequest | undefined {
  const flush = packets.findIndex((it) => it.type === 'flush')
  if (flush < 1 || packets.length !== flush + 2) return undefined
  if (packetText(packets[flush + 1] as Packet) !== 'done') return undefined
  const lines = packets.slice(0, flush).map(packetText)
  const [, , list = ''] = /^(want [0-9a-f]+) ?(.*)$/.exec(lines[0] ?? '') ?? []
  const capabilities = new Set(list.split(' '))
  if (!capabilities.has('side-band-64k')) return undefined
  const oids = lines.map(
    (it, n) => /^want ([0-9a-f]+)$/.exec(n ? it : it.split(' ', 2).join(' '))?.[1],
  )
  if (!oids.every((it): it is string => it !== undefined && OID.test(it))) return undefined
  return {
    wants: [...new Set(oids)].sort(),
    haves: [],
    done: true,
    depth: undefined,
    since: undefined,
    filter: undefined,
    includeTag: capabilities.has('include-tag'),
    ofsDelta: capabilities.has('ofs-delta'),
  }
}

/** The v2 message that asks for it: equal requests are equal bytes. */
export function formatFetch(request: FetchRequest, objectFormat: string): Buffer {
  const { wants, haves, depth, since, filter } = request
  const args = [
    ...(haves.length ? ['thin-pack'] : []),
    'no-progress',
    ...(request.includeTag ? ['include-tag'] : []),
    ...(request.ofsDelta ? ['ofs-delta'] : []),
    ...(depth === undefined ? [] : [`deepen ${depth}`]),
    ...(since === undefined ? [] : [`deepen-since ${since}`]),
    ...(filter === undefined ? [] : [`filter ${filter}`]),
    ...wants.map((it) => `want ${it}`),
    ...haves.map((it) => `have ${it}`),
    ...(request.done ? ['done'] : []),
  ]
  return Buffer.concat([
    pktLine('command=fetch'),
    pktLine(`object-format=${objectFormat}`),
    DELIM,
    pktLines(args.map((it) => `${it}\n`)),
    FLUSH,
  ])
}

/** Ahead of the pack in the answer to a clone without `deepen`: v2's section header, which v0 has not. */
export const PACKFILE_HEADER = pktLine('packfile\n')
/** What v0 says instead. */
export const NAK = pktLine('NAK\n')
