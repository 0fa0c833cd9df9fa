/** A git client without git: asks what a clone or a fetch asks and drops the pack, so that only the server is timed. */
import { type Ask, askOnce, Connection, expectOk, type Reply } from './connection.js'
import { asSent, type Fetch, fetchRequest, lsRefsRequest, parseLsRefs, type Ref } from './pkt.js'
import type { GitSide } from './sides.js'

const V2 = { 'Git-Protocol': 'version=2', 'User-Agent': 'git/2.39.5', Accept: '*/*' }

export function advertisementAsk(side: GitSide, repository: string): Ask {
  return {
    path: `${side.path(repository)}/info/refs?service=git-upload-pack`,
    headers: { ...side.headers, ...V2 },
  }
}

function uploadPackAsk(side: GitSide, repository: string, request: Buffer): Ask {
  const { body, headers } = asSent(request)
  return {
    method: 'POST',
    path: `${side.path(repository)}/git-upload-pack`,
    headers: {
      ...side.headers,
      ...V2,
      ...headers,
      'Content-Type': 'application/x-git-upload-pack-request',
      Accept: 'application/x-git-upload-pack-result',
    },
    body,
  }
}

export function lsRefsAsk(
  side: GitSide,
  repository: string,
  prefixes: readonly string[] = [],
): Ask {
  return uploadPackAsk(side, repository, lsRefsRequest(prefixes))
}

export function fetchAsk(side: GitSide, repository: string, fetch: Fetch): Ask {
  return uploadPackAsk(side, repository, fetchRequest(fetch))
}

export async function listRefs(side: GitSide, repository: string): Promise<Ref[]> {
  const ask = { ...lsRefsAsk(side, repository), keep: true }
  return parseLsRefs(expectOk(await askOnce(side.origin, ask), ask).body)
}

/** What `git clone` wants: every branch and tag. */
export async function wantsOfClone(side: GitSide, repository: string): Promise<string[]> {
  const refs = await listRefs(side, repository)
  return [...new Set(refs.filter(({ name }) => name !== 'HEAD').map(({ oid }) => oid))]
}

/** Sends a fetch on a connection of its own and counts the bytes of the answer. */
export async function fetchPack(side: GitSide, ask: Ask): Promise<Reply> {
  const connection = await Connection.open(side.origin)
  try {
    const reply = expectOk(await connection.ask(ask), ask)
    if (reply.bytes < 100) throw new Error(`${side.name} sent no pack: ${reply.bytes} bytes`)
    return reply
  } finally {
    connection.close()
  }
}
