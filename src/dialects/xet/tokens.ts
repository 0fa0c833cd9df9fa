import type { Access } from '../../domain/access/access.js'
import type { XetTokens } from '../../domain/xet/tokens.js'
import type { XetParts, XetRepoRoute } from './parts.js'

interface TokenParts {
  readonly tokens: XetTokens
  readonly access: Access
  readonly baseUrl: XetParts['baseUrl']
}

/**
 * GET /api/{type}s/{ns}/{name}/xet-{read|write}-token[/{rev}]: where to find the store, and a token for it. The same in
 * the body and in headers, because clients read either (xet-wire 1.1).
 */
export function xetTokenRoutes(parts: TokenParts): readonly XetRepoRoute[] {
  return [
    {
      method: 'GET',
      path: /^xet-(read|write)-token(?:\/(.+))?$/,
      right: 'read',
      handle: give(parts),
    },
  ]
}

function give({ tokens, access, baseUrl }: TokenParts): XetRepoRoute['handle'] {
  return async ({ req, res, caller, opened, params }) => {
    const right = params[0] === 'write' ? 'write' : 'read'
    // who may read may propose: an upload for a pull request needs no right to write
    const proposal = right === 'write' && (isSet(req.query.create_pr) || isProposal(params[1]))
    if (right === 'read') await access.requireContent(caller, opened)
    else if (!proposal) await access.openRepo(caller, opened.repo, 'write')
    const { token, expiresAt } = tokens.issue(caller, opened.repo, right, { proposal })
    const casUrl = `${baseUrl(req)}/xet`
    res.set({
      'X-Xet-Cas-Url': casUrl,
      'X-Xet-Access-Token': token,
      'X-Xet-Token-Expiration': String(expiresAt),
      'Cache-Control': 'no-store',
    })
    res.json({ casUrl, accessToken: token, exp: expiresAt })
  }
}

const isSet = (value: unknown) => value === '1' || value === 'true' || value === 'True'
const isProposal = (revision: string | undefined) => /^refs\/pr\/\d+$/.test(revision ?? '')
