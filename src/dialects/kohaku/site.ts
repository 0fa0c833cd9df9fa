import type { KohakuRequest, KohakuRoute } from './parts.js'

export const siteRoutes: readonly KohakuRoute[] = [
  { method: 'get', path: '/api/version', handle: showVersion },
  { method: 'get', path: '/api/site-config', handle: showConfig },
]

async function showVersion({ res, parts }: KohakuRequest): Promise<void> {
  res.json({ api: 'kohakuhub', name: 'Packhorse', version: parts.version })
}

async function showConfig({ req, res, parts }: KohakuRequest): Promise<void> {
  res.json({
    site_name: 'Packhorse',
    api_base: `${parts.baseUrl(req)}/api`,
    registration: parts.accounts.registration,
    invitation_only: parts.accounts.registration === 'invite',
  })
}
