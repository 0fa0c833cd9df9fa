import { FLUSH, MAX_PKT_BYTES, PktLineError, pktLine, readPacket } from './pkt-line.js'

/*
 * git-receive-pack's request (gitprotocol-pack(5) "Reference Update Request"):
 *   <old> <new> <ref>\0<capabilities>   then more commands without capabilities, flush
 *   <push option>…, flush               only with the capability push-options
 *   PACK <version> <count> …            absent when nothing but deletions is asked
 */
export interface PushRequest {
  readonly commands: readonly { readonly old: string; readonly new: string; readonly ref: string }[]
  readonly capabilities: readonly string[]
  readonly options: readonly string[]
  readonly pack: Buffer
  readonly objectCount: number
}

const COMMAND = /^([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) ([^\0]+)$/

/** Undefined for what is not a plain push: certificates, shallow commits, anything unusual or cut off. */
export function parsePlainPush(body: Buffer): PushRequest | undefined {
  try {
    const head = readTexts(body, 0)
    const [first = '', ...more] = head?.texts ?? []
    const [command = '', capabilityText = ''] = first.split('\0')
    const commands = [command, ...more].map((it) => COMMAND.exec(it.replace(/\n$/, '')))
    if (!head || commands.some((it) => !it)) return undefined
    const capabilities = capabilityText.trim().split(/\s+/).filter(Boolean)
    const options = capabilities.includes('push-options') ? readTexts(body, head.next) : undefined
    const pack = body.subarray(options?.next ?? head.next)
    if (pack.length < 32 || pack.toString('latin1', 0, 4) !== 'PACK') return undefined
    return {
      commands: commands.map((it) => ({
        old: it?.[1] ?? '',
        new: it?.[2] ?? '',
        ref: it?.[3] ?? '',
      })),
      capabilities,
      options: (options?.texts ?? []).map((it) => it.replace(/\n$/, '')),
      pack,
      objectCount: pack.readUInt32BE(8),
    }
  } catch (err) {
    if (err instanceof PktLineError) return undefined
    throw err
  }
}

/** The packets up to a flush; undefined when the body ends before it. Throws PktLineError. */
function readTexts(body: Buffer, from: number): { texts: string[]; next: number } | undefined {
  const texts: string[] = []
  for (let at = from; ; ) {
    const read = readPacket(body, at)
    if (!read) return undefined
    at = read.next
    if (read.packet.type === 'flush') return { texts, next: at }
    if (read.packet.type !== 'data') return undefined
    texts.push(read.packet.data.toString('utf8'))
  }
}

/**
 * The answer to a push whose pack was taken in (gitprotocol-pack(5) "Report Status"): `lines` for the pusher's terminal
 * on side band 2, the report on band 1.
 * @param refused why the ref did not move; undefined when it did.
 */
export function formatPushReport(
  capabilities: readonly string[],
  ref: string,
  refused: string | undefined,
  lines: readonly string[],
): Buffer {
  const asked = capabilities.some((it) => it === 'report-status' || it === 'report-status-v2')
  const report = Buffer.concat([
    pktLine('unpack ok\n'),
    pktLine(refused === undefined ? `ok ${ref}\n` : `ng ${ref} ${refused}\n`),
    FLUSH,
  ])
  if (!capabilities.includes('side-band-64k')) return asked ? report : Buffer.alloc(0)
  return Buffer.concat([
    ...lines.flatMap((it) => band(2, Buffer.from(`${it}\n`))),
    ...(asked ? band(1, report) : []),
    FLUSH,
  ])
}

function band(number: 1 | 2, bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = []
  const size = MAX_PKT_BYTES - 5
  for (let at = 0; at < bytes.length; at += size)
    pieces.push(pktLine(Buffer.concat([Buffer.from([number]), bytes.subarray(at, at + size)])))
  return pieces
}
