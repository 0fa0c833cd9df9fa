import { promises as dns } from 'node:dns'
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'

const MAX_RESPONSE_BYTES = 64 * 1024

export interface ResolvedAddress {
  readonly address: string
  readonly family: number
}

export interface GuardedPost {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** For everything together: name, connection, answer. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** Which addresses may be dialled. */
  readonly allows: (address: string) => boolean
  readonly resolve: (hostname: string) => Promise<readonly ResolvedAddress[]>
}

/**
 * POSTs to a URL that somebody else chose. A name is resolved once and only the addresses that were checked are dialled,
 * so that a second answer of the name server changes nothing; redirects are not followed; no connection is used again.
 * Of the answer the status counts; its body is read up to 64 KiB and dropped. Throws what went wrong in words.
 */
export async function guardedPost(post: GuardedPost): Promise<{ status: number }> {
  const { url, body, allows } = post
  const hostname = url.hostname.replace(/^\[|\]$/g, '')
  // of a literal address no lookup is made, so it is checked here
  if (isIP(hostname) && !allows(hostname)) throw refusal()
  const timeout = AbortSignal.timeout(post.timeoutMs)
  const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)({
    method: 'POST',
    protocol: url.protocol,
    hostname,
    port: url.port,
    path: `${url.pathname}${url.search}`,
    headers: { ...post.headers, 'Content-Length': body.length },
    agent: false,
    lookup: checkedLookup(post),
    signal: AbortSignal.any([timeout, post.signal]),
  })
  try {
    const response = await send(request, body)
    await drain(response)
    return { status: response.statusCode ?? 0 }
  } catch (err) {
    if (timeout.aborted) throw new Error(`no answer within ${post.timeoutMs} ms`, { cause: err })
    throw err
  } finally {
    request.destroy()
  }
}

/** Asks name servers without a thread each, as getaddrinfo would take: slow ones hold nobody up. Knows no hosts file. */
export async function resolveByDns(hostname: string): Promise<ResolvedAddress[]> {
  const resolver = new dns.Resolver({ timeout: 2_000, tries: 2 })
  const [v4, v6] = await Promise.allSettled([
    resolver.resolve4(hostname),
    resolver.resolve6(hostname),
  ])
  if (v4.status === 'rejected' && v6.status === 'rejected') throw v4.reason
  const of = (it: typeof v4, family: number) =>
    it.status === 'fulfilled' ? it.value.map((address) => ({ address, family })) : []
  return [...of(v4, 4), ...of(v6, 6)]
}

/** As every other program on this machine would, hosts file included. */
export function resolveBySystem(hostname: string): Promise<ResolvedAddress[]> {
  return dns.lookup(hostname, { all: true, verbatim: true })
}

function checkedLookup({ allows, resolve }: GuardedPost): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (found) => {
        const fit = found.filter((it) => allows(it.address))
        const first = fit[0]
        if (!first) callback(refusal(), '', 0)
        else if (options.all) callback(null, [...fit])
        else callback(null, first.address, first.family)
      },
      (err: NodeJS.ErrnoException) => callback(err, '', 0),
    )
  }
}

/** Without the address: what names mean inside the operator's network is not told. */
function refusal(): Error {
  return new Error('the receiver is not on the public internet')
}

function send(request: ClientRequest, body: Buffer): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on('response', resolve)
    // stays: what comes after the answer must not end the process
    request.on('error', reject)
    request.end(body)
  })
}

async function drain(response: IncomingMessage): Promise<void> {
  let bytes = 0
  try {
    for await (const chunk of response) {
      bytes += (chunk as Buffer).length
      if (bytes > MAX_RESPONSE_BYTES) return
    }
  } catch {
    // the receiver has said what counts
  }
}
