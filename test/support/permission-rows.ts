import {
  account,
  active,
  bare,
  CALLERS,
  lab,
  login,
  open,
  ownerOnly,
  project,
  type Row,
  repo,
  signed,
  site,
  user,
} from './permissions.js'

const OID = 'a'.repeat(64)
const GIT = '/{id}.git'
const LFS = '/:namespace/:name.git/info/lfs'
const API = '/api/:type/:namespace/:name'
const ID = '/api/models/{id}'
const OUTPOST = '/auth/v1/repository/:namespace'
const OUT = '/auth/v1/repository/lab'
const V1 = '/api/v1'
const LFS_JSON = { 'Content-Type': 'application/vnd.git-lfs+json' }
const gitBody = (service: string) => ({
  headers: { 'Content-Type': `application/x-git-${service}-request` },
  body: '0000',
})

/**
 * One line a route: `METHOD path` as `listRoutes` has it, and who may; ` #…` behind it for a second request to the same.
 * Bodies are such that being let in changes nothing.
 */
export const ROWS: Readonly<Record<string, Row>> = {
  // the process
  'GET /healthz': bare('/healthz'),
  'GET /readyz': bare('/readyz'),
  // answers loopback peers only, unless configured
  'GET /metrics': bare('/metrics', { mayMiss: true }),

  // git
  'GET /:namespace/:name.git/^info\\/refs$': repo(
    'read',
    `${GIT}/info/refs?service=git-upload-pack`,
  ),
  'GET /:namespace/:name.git/^info\\/refs$ #push': repo(
    'write',
    `${GIT}/info/refs?service=git-receive-pack`,
  ),
  'GET /:namespace/:name.git/^info\\/refs$ #dumb': repo('read', `${GIT}/info/refs`),
  'POST /:namespace/:name.git/^git-upload-pack$': repo(
    'read',
    `${GIT}/git-upload-pack`,
    gitBody('upload-pack'),
  ),
  'POST /:namespace/:name.git/^git-receive-pack$': repo(
    'write',
    `${GIT}/git-receive-pack`,
    gitBody('receive-pack'),
  ),
  'GET /:namespace/:name.git/^bundles\\/[0-9a-f]+$': repo('read', `${GIT}/bundles/0a`, {
    mayMiss: true,
  }),
  'GET /:namespace/:name.git/^(HEAD|objects\\/.+)$': repo('read', `${GIT}/HEAD`),

  // LFS
  [`POST ${LFS}/^objects\\/batch$`]: repo('read', `${GIT}/info/lfs/objects/batch`, {
    headers: LFS_JSON,
    body: { operation: 'download', objects: [] },
  }),
  [`POST ${LFS}/^objects\\/batch$ #upload`]: repo('write', `${GIT}/info/lfs/objects/batch`, {
    headers: LFS_JSON,
    body: { operation: 'upload', objects: [] },
  }),
  [`GET ${LFS}/^locks$`]: repo('read', `${GIT}/info/lfs/locks`),
  [`POST ${LFS}/^locks$`]: repo('write', `${GIT}/info/lfs/locks`, {
    headers: LFS_JSON,
    body: { path: '' },
  }),
  [`POST ${LFS}/^locks\\/verify$`]: repo('write', `${GIT}/info/lfs/locks/verify`, {
    headers: LFS_JSON,
  }),
  [`POST ${LFS}/^locks\\/([\\w-]+)\\/unlock$`]: repo('write', `${GIT}/info/lfs/locks/none/unlock`, {
    headers: LFS_JSON,
    mayMiss: true,
  }),
  'PUT /lfs/:repoId/:oid/upload': signed(`/lfs/{repoId}/${OID}/upload?token=x`, 401),
  'GET /lfs/:repoId/:oid/download': signed(`/lfs/{repoId}/${OID}/download?token=x`, 401),
  'PUT /lfs/:repoId/:oid/part': signed(`/lfs/{repoId}/${OID}/part?token=x`, 401),
  'POST /lfs/:repoId/:oid/complete': signed(`/lfs/{repoId}/${OID}/complete?token=x`, 401),
  'POST /lfs/:repoId/:oid/verify': signed(`/lfs/{repoId}/${OID}/verify?token=x`, 401),

  // KohakuHub: accounts
  'GET /api/whoami': user('/api/whoami'),
  'GET /api/whoami-v2': user('/api/whoami-v2'),
  'POST /api/login': open('/api/login'),
  'POST /api/logout': open('/api/logout', {
    headers: { Origin: 'https://evil.example' },
    but: everybodyBut403(),
  }),
  'POST /api/auth/register': open('/api/auth/register'),
  'POST /api/auth/login': open('/api/auth/login'),
  'POST /api/auth/logout': open('/api/auth/logout', {
    headers: { Origin: 'https://evil.example' },
    but: everybodyBut403(),
  }),
  'GET /api/auth/me': user('/api/auth/me'),
  'POST /api/auth/password': account('/api/auth/password'),
  'GET /api/auth/tokens': account('/api/auth/tokens'),
  'POST /api/auth/tokens/create': account('/api/auth/tokens/create', {
    body: { name: 'x', role: 'admin', expires_at: '2020-01-01T00:00:00Z' },
  }),
  'DELETE /api/auth/tokens/:id': account('/api/auth/tokens/none', { mayMiss: true }),

  // KohakuHub: organisations, invitations, profiles
  ...organisation('/org'),
  ...organisation('/api/organizations'),
  'POST /api/organizations': active('/api/organizations', { body: { name: '..' } }),
  'POST /api/invitations/org/:org/create': lab('admin', '/api/invitations/org/lab/create', {
    body: { max_usage: 0 },
  }),
  'GET /api/invitations/org/:org/list': lab('admin', '/api/invitations/org/lab/list'),
  // whoever has the secret may look
  'GET /api/invitations/:token': open('/api/invitations/none', { mayMiss: true }),
  'POST /api/invitations/:token/accept': active('/api/invitations/none/accept', { mayMiss: true }),
  'DELETE /api/invitations/:token': open('/api/invitations/none', { mayMiss: true }),
  'PUT /api/users/:user/settings': ownerOnly('/api/users/owner/settings', {
    body: { bio: 7 },
    but: { admin: 403 },
  }),
  'GET /api/users/:user/profile': open('/api/users/owner/profile'),
  'GET /api/users/:user/type': open('/api/users/owner/type'),
  'PUT /api/organizations/:org/settings': lab('admin', '/api/organizations/lab/settings', {
    body: { bio: 7 },
  }),
  'GET /api/organizations/:org/profile': open('/api/organizations/lab/profile'),
  'GET /api/users/:user/overview': open('/api/users/owner/overview'),
  'GET /api/organizations/:org/overview': open('/api/organizations/lab/overview'),
  'GET /api/users/:user/followers': open('/api/users/owner/followers'),
  'GET /api/users/:user/following': open('/api/users/owner/following'),
  'GET /api/organizations/:org/followers': open('/api/organizations/lab/followers'),
  'POST /api/users/:user/follow': active('/api/users/writer/follow'),
  'DELETE /api/users/:user/follow': active('/api/users/reader/follow'),
  'POST /api/organizations/:org/follow': active('/api/organizations/lab/follow'),
  'DELETE /api/organizations/:org/follow': active('/api/organizations/lab/follow'),

  // collections and papers: what is hidden looks absent (test/wire/hf-collections.test.ts)
  'GET /api/collections': open('/api/collections'),
  // the namespace is in the body: judged once that reads
  'POST /api/collections': user('/api/collections', { body: { title: '', namespace: 'lab' } }),
  ...collections(),
  'GET /papers/*id': open('/papers/2307.09288.md', { mayMiss: true }),
  'GET /api/papers/search': open('/api/papers/search'),
  'GET /api/daily_papers': open('/api/daily_papers'),
  'GET /api/papers/*id': open('/api/papers/2307.09288', { mayMiss: true }),
  'GET /api/arxiv/*id/repos': open('/api/arxiv/2307.09288/repos', { mayMiss: true }),
  'PUT /api/admin/papers/*id': site('/api/admin/papers/none'),
  'DELETE /api/admin/papers/*id': site('/api/admin/papers/none', { mayMiss: true }),
  'GET /api/users/:name/avatar': open('/api/users/owner/avatar', { mayMiss: true }),
  'POST /api/users/:name/avatar': ownerOnly('/api/users/owner/avatar', { body: 'no picture' }),
  'DELETE /api/users/:name/avatar': ownerOnly('/api/users/owner/avatar'),
  'GET /api/organizations/:name/avatar': open('/api/organizations/lab/avatar', { mayMiss: true }),
  'POST /api/organizations/:name/avatar': lab('admin', '/api/organizations/lab/avatar', {
    body: 'no picture',
  }),
  'DELETE /api/organizations/:name/avatar': lab('admin', '/api/organizations/lab/avatar'),

  // KohakuHub: repositories
  'POST /api/repos/create': lab('write', '/api/repos/create', {
    body: { organization: 'lab', name: 'public-one' },
  }),
  'DELETE /api/repos/delete': repo('admin', '/api/repos/delete', {
    body: { organization: 'lab', name: '{name}' },
    but: { anonymous: 401 },
  }),
  'POST /api/repos/move': repo('admin', '/api/repos/move', {
    body: { fromRepo: '{id}', toRepo: 'lab/..' },
    but: { anonymous: 401 },
  }),
  'POST /api/repos/squash': repo('admin', '/api/repos/squash', {
    body: { repo: '{id}' },
    but: { anonymous: 401 },
  }),
  'GET /api/users/:user/repos': open('/api/users/lab/repos'),
  'GET /api/trending': open('/api/trending'),
  'POST /api/validate/check-name': open('/api/validate/check-name', {
    body: { namespace: 'lab', name: 'private-one' },
  }),
  [`GET ${API}/stats`]: repo('read', `${ID}/stats`),
  [`GET ${API}/stats/recent`]: repo('read', `${ID}/stats/recent`),

  // KohakuHub: quotas
  'GET /api/quota/:namespace': lab('read', '/api/quota/lab'),
  'PUT /api/quota/:namespace': site('/api/quota/lab', { body: { quota_bytes: -1 } }),
  'POST /api/quota/:namespace/recalculate': lab('admin', '/api/quota/lab/recalculate'),
  'GET /api/quota/:namespace/public': open('/api/quota/lab/public'),
  'GET /api/quota/:namespace/repos': user('/api/quota/lab/repos'),
  'GET /api/quota/repo/:type/:namespace/:name': repo('login', '/api/quota/repo/model/{id}', {
    but: { anonymous: 401 },
  }),
  'PUT /api/quota/repo/:type/:namespace/:name': site('/api/quota/repo/model/lab/public-one', {
    body: { quota_bytes: -1 },
  }),
  'POST /api/quota/repo/:type/:namespace/:name/recalculate': repo(
    'write',
    '/api/quota/repo/model/{id}/recalculate',
  ),

  // KohakuHub: the site and its administration
  'GET /api/version': open('/api/version'),
  'GET /api/site-config': open('/api/site-config'),
  'GET /admin/api/users': site('/admin/api/users'),
  'POST /admin/api/users': site('/admin/api/users', { body: { username: '..' } }),
  'GET /admin/api/users/:user': site('/admin/api/users/owner'),
  'PATCH /admin/api/users/:user': site('/admin/api/users/owner', { body: { is_active: 7 } }),
  'DELETE /admin/api/users/:user': site('/admin/api/users/owner'),
  'PUT /admin/api/users/:user/quota': site('/admin/api/users/owner/quota'),
  'POST /admin/api/invitations/register': site('/admin/api/invitations/register', {
    body: { max_usage: 0 },
  }),
  'GET /admin/api/invitations': site('/admin/api/invitations'),
  'DELETE /admin/api/invitations/:token': site('/admin/api/invitations/none', { mayMiss: true }),
  'GET /admin/api/audit': site('/admin/api/audit'),
  'GET /admin/api/sessions': site('/admin/api/sessions'),
  'DELETE /admin/api/users/:user/sessions': site('/admin/api/users/owner/sessions'),
  'GET /admin/api/tokens': site('/admin/api/tokens'),
  'DELETE /admin/api/users/:user/tokens/:id': site('/admin/api/users/owner/tokens/none', {
    mayMiss: true,
  }),
  'GET /admin/api/repositories': site('/admin/api/repositories'),
  'GET /admin/api/repositories/:type/:namespace/:name': site(
    '/admin/api/repositories/model/lab/private-one',
  ),
  'POST /admin/api/repositories/recalculate-all': site('/admin/api/repositories/recalculate-all'),
  'GET /admin/api/quota/overview': site('/admin/api/quota/overview'),
  'GET /admin/api/quota/:namespace': site('/admin/api/quota/lab'),
  'PUT /admin/api/quota/:namespace': site('/admin/api/quota/lab'),
  'POST /admin/api/quota/:namespace/recalculate': site('/admin/api/quota/lab/recalculate'),
  'GET /admin/api/stats': site('/admin/api/stats'),
  'GET /admin/api/stats/top-repos': site('/admin/api/stats/top-repos'),
  'GET /admin/api/search': site('/admin/api/search?q=lab'),
  'GET /admin/api/health/dependencies': site('/admin/api/health/dependencies'),

  // an id of one segment, which no repository has
  'GET /api/:type/:name': user('/api/models/lab', { but: nobodyFinds() }),

  // Hugging Face: one repository (huggingface-wire C4.3, C4.5)
  [`GET ${API}/^$`]: repo('read', ID),
  [`GET ${API}/^revision\\/(.+)$`]: repo('read', `${ID}/revision/main`),
  [`GET ${API}/^tree\\/.+$`]: repo('read', `${ID}/tree/main`),
  [`POST ${API}/^paths-info\\/(.+)$`]: repo('read', `${ID}/paths-info/main`, {
    body: { paths: [] },
  }),
  [`GET ${API}/^refs$`]: repo('read', `${ID}/refs`),
  [`GET ${API}/^commits\\/(.+)$`]: repo('read', `${ID}/commits/main`),
  [`GET ${API}/^resolve\\/.+$`]: repo('read', `${ID}/resolve/main/.gitattributes`),
  [`GET ${API}/^auth-check$`]: repo('read', `${ID}/auth-check`),
  [`GET ${API}/^auth-check\\/write$`]: repo('write', `${ID}/auth-check/write`),
  [`POST ${API}/^preupload\\/(.+)$`]: repo('write', `${ID}/preupload/main`, {
    body: { files: [] },
  }),
  [`POST ${API}/^commit\\/([^/]+)$`]: repo('write', `${ID}/commit/main`),
  [`POST ${API}/^branch(?:\\/(.+))?$`]: repo('write', `${ID}/branch/new`),
  [`DELETE ${API}/^branch\\/(.+)$`]: repo('write', `${ID}/branch/none`, { mayMiss: true }),
  [`POST ${API}/^tag(?:\\/(.+))?$`]: repo('write', `${ID}/tag/main`, { body: { tag: 'v1' } }),
  [`DELETE ${API}/^tag\\/(.+)$`]: repo('write', `${ID}/tag/none`, { mayMiss: true }),
  [`POST ${API}/^super-squash\\/(.+)$`]: repo('write', `${ID}/super-squash/main`),
  [`PUT ${API}/^settings$`]: repo('admin', `${ID}/settings`, { body: { private: 7 } }),
  [`POST ${API}/^duplicate$`]: repo('write', `${ID}/duplicate`, {
    body: { repository: '{id}' },
    but: { scoped: 403 },
  }),
  [`GET ${API}/^user-access-request\\/(pending|accepted|rejected)$`]: repo(
    'write',
    `${ID}/user-access-request/pending`,
  ),
  [`POST ${API}/^user-access-request\\/handle$`]: repo('write', `${ID}/user-access-request/handle`),
  [`POST ${API}/^user-access-request\\/grant$`]: repo('write', `${ID}/user-access-request/grant`),
  [`GET ${API}/^ask-access$`]: repo('read', `${ID}/ask-access`),
  // nothing to ask for where there is no gate: told before the login is looked at
  [`POST ${API}/^ask-access$`]: repo('read', `${ID}/ask-access`),
  'POST /:namespace/:name/ask-access': repo('read', '/{id}/ask-access'),
  [`POST ${API}/^like$`]: repo('act', `${ID}/like`),
  [`DELETE ${API}/^like$`]: repo('act', `${ID}/like`),
  [`GET ${API}/^like$`]: repo('read', `${ID}/like`),
  [`GET ${API}/^lfs-files$`]: repo('write', `${ID}/lfs-files`),
  [`GET ${API}/^likers$`]: repo('read', `${ID}/likers`),
  [`POST ${API}/^discussions$`]: repo('act', `${ID}/discussions`),
  [`GET ${API}/^discussions$`]: repo('read', `${ID}/discussions`),
  [`GET ${API}/^discussions\\/(\\d{1,9})$`]: repo('read', `${ID}/discussions/1`, { mayMiss: true }),
  [`POST ${API}/^discussions\\/(\\d{1,9})\\/comment$`]: repo('act', `${ID}/discussions/1/comment`),
  [`POST ${API}/^discussions\\/(\\d{1,9})\\/comment\\/([^/]+)\\/edit$`]: repo(
    'act',
    `${ID}/discussions/1/comment/a/edit`,
  ),
  [`POST ${API}/^discussions\\/(\\d{1,9})\\/comment\\/([^/]+)\\/hide$`]: repo(
    'write',
    `${ID}/discussions/1/comment/a/hide`,
    { mayMiss: true },
  ),
  [`POST ${API}/^discussions\\/(\\d{1,9})\\/title$`]: repo('act', `${ID}/discussions/1/title`),
  [`POST ${API}/^discussions\\/(\\d{1,9})\\/status$`]: repo('act', `${ID}/discussions/1/status`),
  [`POST ${API}/^discussions\\/(\\d{1,9})\\/merge$`]: repo('write', `${ID}/discussions/1/merge`, {
    mayMiss: true,
  }),
  [`POST ${API}/^discussions\\/(\\d{1,9})\\/pin$`]: repo('write', `${ID}/discussions/1/pin`),
  [`POST ${API}/^discussions\\/(\\d{1,9})\\/lock$`]: repo('write', `${ID}/discussions/1/lock`),
  [`DELETE ${API}/^discussions\\/(\\d{1,9})$`]: repo('admin', `${ID}/discussions/1`, {
    mayMiss: true,
  }),
  [`GET ${API}/^commit\\/([^/]+)$`]: repo('read', `${ID}/commit/main`),
  [`GET ${API}/^commit\\/([^/]+)\\/diff$`]: repo('read', `${ID}/commit/main/diff`),
  [`POST ${API}/^branch\\/([^/]+)\\/revert$`]: repo('write', `${ID}/branch/main/revert`),
  [`POST ${API}/^branch\\/([^/]+)\\/reset$`]: repo('write', `${ID}/branch/main/reset`),
  [`POST ${API}/^merge\\/([^/]+)\\/into\\/([^/]+)$`]: repo('write', `${ID}/merge/main/into/main`),
  [`POST ${API}/^upload\\/([^/]+)\\/(.+)$`]: repo('write', `${ID}/upload/main/x.txt`),
  [`GET ${API}/^xet-(read|write)-token(?:\\/(.+))?$`]: repo('write', `${ID}/xet-write-token/main`),
  [`GET ${API}/^xet-(read|write)-token(?:\\/(.+))?$ #read`]: repo(
    'read',
    `${ID}/xet-read-token/main`,
  ),
  [`POST ${API}/^lfs-files\\/duplicate$`]: repo('write', `${ID}/lfs-files/duplicate`, {
    body: { target: { type: 'model', name: '{id}' }, files: [] },
  }),
  'GET /:namespace/:name/resolve/:revision/:path': repo(
    'read',
    '/{id}/resolve/main/.gitattributes',
  ),
  'GET /:namespace/:name/raw/:revision/:path': repo('read', '/{id}/raw/main/.gitattributes'),

  // Hugging Face: the site
  'GET /api/models': open('/api/models'),
  'GET /api/datasets': open('/api/datasets'),
  'GET /api/spaces': open('/api/spaces'),
  'GET /api/models-tags-by-type': bare('/api/models-tags-by-type'),
  'GET /api/datasets-tags-by-type': bare('/api/datasets-tags-by-type'),
  // Spaces; the matrix's repositories are models, which have none of this
  [`GET ${API}/^runtime$`]: repo('read', `${ID}/runtime`, { mayMiss: true }),
  [`GET ${API}/^variables$`]: repo('read', `${ID}/variables`, { mayMiss: true }),
  [`POST ${API}/^variables$`]: repo('write', `${ID}/variables`, { mayMiss: true }),
  [`DELETE ${API}/^variables$`]: repo('write', `${ID}/variables`, { mayMiss: true }),
  [`GET ${API}/^secrets$`]: repo('write', `${ID}/secrets`, { mayMiss: true }),
  [`POST ${API}/^secrets$`]: repo('write', `${ID}/secrets`, { mayMiss: true }),
  [`DELETE ${API}/^secrets$`]: repo('write', `${ID}/secrets`, { mayMiss: true }),
  [`POST ${API}/^hardware$`]: repo('write', `${ID}/hardware`, { mayMiss: true }),
  [`POST ${API}/^sleeptime$`]: repo('write', `${ID}/sleeptime`, { mayMiss: true }),
  [`POST ${API}/^storage$`]: repo('write', `${ID}/storage`, { mayMiss: true }),
  [`DELETE ${API}/^storage$`]: repo('write', `${ID}/storage`, { mayMiss: true }),
  [`PUT ${API}/^volumes$`]: repo('write', `${ID}/volumes`, { mayMiss: true }),
  [`DELETE ${API}/^volumes$`]: repo('write', `${ID}/volumes`, { mayMiss: true }),
  [`POST ${API}/^dev-mode$`]: repo('write', `${ID}/dev-mode`, { mayMiss: true }),
  [`POST ${API}/^pause$`]: repo('write', `${ID}/pause`, { mayMiss: true }),
  [`POST ${API}/^restart$`]: repo('write', `${ID}/restart`, { mayMiss: true }),
  [`GET ${API}/^logs\\/(build|run)$`]: repo('write', `${ID}/logs/run`, { mayMiss: true }),
  'GET /api/spaces/hardware': bare('/api/spaces/hardware'),
  'GET /api/spaces/templates': bare('/api/spaces/templates'),
  'GET /api/spaces/zero-gpu/quota': user('/api/spaces/zero-gpu/quota'),
  'GET /api/spaces/semantic-search': open('/api/spaces/semantic-search?q=one'),
  // a page of a Space that is not there: what others see is shown by test/wire/space-pages.test.ts
  'GET /spaces/:namespace/:name/*path': {
    ...open('/spaces/lab/none/', { mayMiss: true }),
    expect: (caller) => (caller === 'anonymous' || caller === 'expired' ? 401 : 'in'),
  },

  // inference endpoints
  'GET /v2/endpoint/:namespace': lab('read', '/v2/endpoint/lab'),
  'POST /v2/endpoint/:namespace': lab('write', '/v2/endpoint/lab'),
  'GET /v2/endpoint/:namespace/:name': lab('read', '/v2/endpoint/lab/none', { mayMiss: true }),
  'PUT /v2/endpoint/:namespace/:name': lab('write', '/v2/endpoint/lab/none', { mayMiss: true }),
  'DELETE /v2/endpoint/:namespace/:name': lab('write', '/v2/endpoint/lab/none', {
    mayMiss: true,
  }),
  ...Object.fromEntries(
    ['pause', 'resume', 'scale-to-zero'].map((verb) => [
      `POST /v2/endpoint/:namespace/:name/${verb}`,
      lab('write', `/v2/endpoint/lab/none/${verb}`, { mayMiss: true }),
    ]),
  ),
  'GET /v2/provider/:namespace': lab('read', '/v2/provider/lab'),

  'GET /api/spaces-tags-by-type': bare('/api/spaces-tags-by-type'),
  'GET /api/repos/ls': user('/api/repos/ls'),
  'GET /api/agent-harnesses': bare('/api/agent-harnesses'),
  // each one's own webhooks; what is somebody else's is not there
  'GET /api/settings/webhooks': active('/api/settings/webhooks'),
  'POST /api/settings/webhooks': active('/api/settings/webhooks', {
    body: { url: 'ftp://x', watched: [{ type: 'org', name: 'lab' }] },
  }),
  'GET /api/settings/webhooks/:id': active('/api/settings/webhooks/none', { mayMiss: true }),
  'POST /api/settings/webhooks/:id': active('/api/settings/webhooks/none', { mayMiss: true }),
  'DELETE /api/settings/webhooks/:id': active('/api/settings/webhooks/none', { mayMiss: true }),
  'POST /api/settings/webhooks/:id/enable': active('/api/settings/webhooks/none/enable', {
    mayMiss: true,
  }),
  'POST /api/settings/webhooks/:id/disable': active('/api/settings/webhooks/none/disable', {
    mayMiss: true,
  }),
  'GET /api/settings/webhooks/:id/deliveries': active('/api/settings/webhooks/none/deliveries', {
    mayMiss: true,
  }),
  'GET /api/settings/webhooks/:id/deliveries/:delivery': active(
    '/api/settings/webhooks/none/deliveries/1',
    { mayMiss: true },
  ),
  'POST /api/settings/webhooks/:id/deliveries/:delivery/replay': active(
    '/api/settings/webhooks/none/deliveries/1/replay',
    { mayMiss: true },
  ),
  'POST /api/validate-yaml': bare('/api/validate-yaml', {
    body: { repoType: 'model', content: '' },
  }),
  'GET /api/settings/repositories': login('/api/settings/repositories'),
  'GET /api/organizations/:org/settings/repositories': lab(
    'read',
    '/api/organizations/lab/settings/repositories',
  ),
  'GET /api/users/:user/likes': open('/api/users/owner/likes'),
  'PUT /api/repos/:type/:namespace/:name/settings': repo(
    'admin',
    '/api/repos/models/{id}/settings',
    { body: { private: 7 } },
  ),

  // Outpost: every call needs a user
  'GET /auth/v1/download/:repoId/:name': signed('/auth/v1/download/{repoId}/x?token=x', 401),
  'POST /auth/v1/pat': account('/auth/v1/pat'),
  'GET /auth/v1/pat': account('/auth/v1/pat'),
  'GET /auth/v1/pat/:name': account('/auth/v1/pat/none', { mayMiss: true }),
  'DELETE /auth/v1/pat/:name': account('/auth/v1/pat/none', { mayMiss: true }),
  'POST /auth/v1/api_keys': account('/auth/v1/api_keys'),
  'GET /auth/v1/api_keys': account('/auth/v1/api_keys'),
  'DELETE /auth/v1/api_keys/:name': account('/auth/v1/api_keys/none', { mayMiss: true }),
  [`GET ${OUTPOST}`]: user(OUT),
  [`POST ${OUTPOST}`]: lab('write', OUT, { body: { name: 'public-one' } }),
  ...outpost('GET', '^$', 'read', ''),
  ...outpost('DELETE', '^$', 'admin', ''),
  ...outpost('PUT', '^name$', 'admin', '/name', { name: '..' }),
  ...outpost('POST', '^visibility$', 'admin', '/visibility', { visibility: 'none' }),
  ...outpost('POST', '^transfer$', 'admin', '/transfer', { new_namespace: 7 }),
  ...outpost('GET', '^tree(?:\\/(.*))?$', 'read', '/tree/'),
  ...outpost('GET', '^file\\/(.+)$', 'read', '/file/.gitattributes'),
  ...outpost('GET', '^commits\\/(.+)$', 'read', '/commits/main'),
  ...outpost('GET', '^branch_protection$', 'read', '/branch_protection'),
  ...outpost('PUT', '^branch_protection$', 'admin', '/branch_protection', { rules: 7 }),
  ...outpost('GET', '^secret_scanning$', 'read', '/secret_scanning'),
  ...outpost('PUT', '^secret_scanning$', 'admin', '/secret_scanning', { enabled: 7 }),

  // Xet: tokens of its own, which no hub credential replaces
  ...xet('POST', '^\\/(?:v1\\/)?xorbs?\\/[^/]+\\/([0-9a-f]{64})$', `/v1/xorbs/default/${OID}`),
  ...xet('HEAD', '^\\/(?:v1\\/)?xorbs?\\/[^/]+\\/([0-9a-f]{64})$', `/v1/xorbs/default/${OID}`),
  ...xet('POST', '^\\/v2\\/shards$', '/v2/shards'),
  ...xet('POST', '^\\/(?:v1\\/)?shards$', '/v1/shards'),
  ...xet('POST', '^\\/shard\\/[^/]+\\/([0-9a-f]{64})$', `/shard/default/${OID}`),
  ...xet('GET', '^\\/(?:v1\\/)?chunks?\\/[^/]+\\/([0-9a-f]{64})$', `/v1/chunks/default/${OID}`),
  ...xet('GET', '^\\/(?:v1\\/)?reconstructions?\\/([0-9a-f]{64})$', `/v1/reconstructions/${OID}`),
  ...xet('GET', '^\\/v2\\/reconstructions\\/([0-9a-f]{64})$', `/v2/reconstructions/${OID}`),
  ...xet('HEAD', '^\\/(?:v1\\/)?files\\/([0-9a-f]{64})$', `/v1/files/${OID}`),
  // as S3 answers a signature that is not right
  'GET /xet^\\/data\\/([0-9a-f]{64}\\.[0-9a-f]{16})$': signed(
    `/xet/data/${OID}.0000000000000000`,
    403,
  ),
  'POST /xet^\\/v1\\/telemetry$': bare('/xet/v1/telemetry'),
  'ALL /api/telemetry/*topic': bare('/api/telemetry/x'),

  // ABF
  'GET /downloads/:platform/repository/:arch/:name/.repo.lock': bare(
    '/downloads/none/repository/SRPMS/main/.repo.lock',
    { mayMiss: true },
  ),
  'GET /api/v1/platforms/allowed': open('/api/v1/platforms/allowed?path=/none', { but: nobody() }),
  'GET /api/v1/platforms/allowed.json': open('/api/v1/platforms/allowed.json?path=/none', {
    but: nobody(),
  }),
  'GET /api/v1/arches': user(`${V1}/arches`),
  'GET /api/v1/search': user(`${V1}/search?query=lab`),
  'GET /api/v1/user': user(`${V1}/user`),
  'PUT /api/v1/user': active(`${V1}/user`, { body: { user: { language: 'xx' } } }),
  'GET /api/v1/users/:id': user(`${V1}/users/1`),
  'GET /api/v1/projects': user(`${V1}/projects`),
  'GET /api/v1/projects/get_id': project('read', `${V1}/projects/get_id?owner=lab&name={name}`),
  'POST /api/v1/projects': user(`${V1}/projects`, { body: { project: {} } }),
  'GET /api/v1/projects/:id': project('read', `${V1}/projects/{seq}`),
  'PUT /api/v1/projects/:id': project('admin', `${V1}/projects/{seq}`, {
    body: { project: { visibility: 'none' } },
  }),
  'DELETE /api/v1/projects/:id': project('admin', `${V1}/projects/{seq}`),
  'GET /api/v1/projects/:id/refs_list': project('read', `${V1}/projects/{seq}/refs_list`),
  'GET /api/v1/projects/:id/members': project('admin', `${V1}/projects/{seq}/members`),
  'PUT /api/v1/projects/:id/add_member': project('admin', `${V1}/projects/{seq}/add_member`),
  'PUT /api/v1/projects/:id/update_member': project('admin', `${V1}/projects/{seq}/update_member`),
  'DELETE /api/v1/projects/:id/remove_member': project(
    'admin',
    `${V1}/projects/{seq}/remove_member`,
  ),
  'POST /api/v1/projects/:id/fork': project('read', `${V1}/projects/{seq}/fork`, {
    body: { fork_name: '..' },
  }),
  'POST /api/v1/projects/:id/alias': project('read', `${V1}/projects/{seq}/alias`, {
    body: { fork_name: '..' },
  }),
  'GET /api/v1/groups': user(`${V1}/groups`),
  'POST /api/v1/groups': user(`${V1}/groups`, { body: { group: {} } }),
  'GET /api/v1/groups/:id': user(`${V1}/groups/{orgId}`),
  'PUT /api/v1/groups/:id': lab('admin', `${V1}/groups/{orgId}`, {
    body: { group: { description: 7 } },
  }),
  'DELETE /api/v1/groups/:id': lab('admin', `${V1}/groups/{orgId}`),
  'GET /api/v1/groups/:id/members': user(`${V1}/groups/{orgId}/members`, {
    but: { stranger: 403 },
  }),
  'PUT /api/v1/groups/:id/add_member': lab('admin', `${V1}/groups/{orgId}/add_member`),
  'PUT /api/v1/groups/:id/update_member': lab('admin', `${V1}/groups/{orgId}/update_member`),
  'DELETE /api/v1/groups/:id/remove_member': lab('admin', `${V1}/groups/{orgId}/remove_member`),
  // platforms, their repositories and tokens: here the login only; who may what on them is shown in abf's own tests
  ...platforms('GET', 'platforms'),
  ...platforms('POST', 'platforms'),
  ...platforms('GET', 'platforms/:id'),
  ...platforms('PUT', 'platforms/:id'),
  ...platforms('DELETE', 'platforms/:id'),
  ...platforms('POST', 'platforms/:id/clone'),
  ...platforms('PUT', 'platforms/:id/clear'),
  ...platforms('GET', 'platforms/:id/members'),
  ...platforms('PUT', 'platforms/:id/add_member'),
  ...platforms('DELETE', 'platforms/:id/remove_member'),
  ...platforms('POST', 'repositories'),
  ...platforms('GET', 'repositories/:id'),
  ...platforms('PUT', 'repositories/:id'),
  ...platforms('DELETE', 'repositories/:id'),
  ...platforms('GET', 'repositories/:id/projects'),
  ...platforms('PUT', 'repositories/:id/add_member'),
  ...platforms('DELETE', 'repositories/:id/remove_member'),
  ...platforms('PUT', 'repositories/:id/add_project'),
  ...platforms('DELETE', 'repositories/:id/remove_project'),
  ...platforms('PUT', 'repositories/:id/signatures'),
  ...platforms('GET', 'repositories/:id/key_pair'),
  ...platforms('GET', 'repositories/:id/public_key'),
  ...platforms('PUT', 'repositories/:id/add_repo_lock_file'),
  ...platforms('DELETE', 'repositories/:id/remove_repo_lock_file'),
  ...platforms('GET', 'repositories/:id/packages.csv'),
  ...platforms('GET', 'tokens'),
  ...platforms('POST', 'tokens'),
  ...platforms('GET', 'tokens/:id'),
  ...platforms('PUT', 'tokens/:id/activate'),
  ...platforms('PUT', 'tokens/:id/deactivate'),
  ...platforms('DELETE', 'tokens/:id'),
}

/** Asked as another site's page: refused to whoever has credentials that are right, before anything ends. */
function everybodyBut403() {
  const refused = 403 as const
  return {
    anonymous: refused,
    stranger: refused,
    reader: refused,
    writer: refused,
    owner: refused,
    admin: refused,
    readonly: refused,
    scoped: refused,
    elsewhere: refused,
  }
}

/** Of one that is not there: nobody gets further than that. */
function collections(): Record<string, Row> {
  const at = '/api/collections/:namespace/:slug'
  const none = `/api/collections/lab/none-${'0'.repeat(24)}`
  const miss = { mayMiss: true }
  return {
    [`GET ${at}`]: open(none, miss),
    [`PATCH ${at}`]: open(none, miss),
    [`DELETE ${at}`]: open(none, miss),
    [`POST ${at}/items`]: open(`${none}/items`, miss),
    [`PATCH ${at}/items/:item`]: open(`${none}/items/none`, miss),
    [`DELETE ${at}/items/:item`]: open(`${none}/items/none`, miss),
    [`POST ${at}/upvote`]: open(`${none}/upvote`, miss),
    [`DELETE ${at}/upvote`]: open(`${none}/upvote`, miss),
  }
}

function nobodyFinds() {
  const known = CALLERS.filter((it) => it !== 'anonymous' && it !== 'expired')
  return Object.fromEntries(known.map((it) => [it, 404 as const]))
}

/** Nobody may read from a platform that is not there. */
function nobody() {
  return Object.fromEntries(CALLERS.map((it) => [it, 403 as const]))
}

function organisation(base: string): Record<string, Row> {
  return {
    [`POST ${base}/create`]: active(`${base}/create`, { body: { name: '..' } }),
    [`GET ${base}/:org`]: open(`${base}/lab`),
    [`GET ${base}/:org/members`]: open(`${base}/lab/members`),
    [`POST ${base}/:org/members`]: lab('admin', `${base}/lab/members`, { body: { username: 7 } }),
    [`PUT ${base}/:org/members/:user`]: lab('admin', `${base}/lab/members/nobody`, {
      body: { role: 'king' },
    }),
    [`DELETE ${base}/:org/members/:user`]: lab('admin', `${base}/lab/members/nobody`, {
      mayMiss: true,
    }),
    [`GET ${base}/users/:user/orgs`]: open(`${base}/users/owner/orgs`),
  }
}

function outpost(
  method: string,
  pattern: string,
  needs: 'read' | 'admin',
  rest: string,
  body?: unknown,
) {
  const options = { ...(body === undefined ? {} : { body }), but: { anonymous: 401 } as const }
  return { [`${method} ${OUTPOST}/:id/${pattern}`]: repo(needs, `${OUT}/{repoId}${rest}`, options) }
}

function xet(method: string, pattern: string, path: string) {
  return { [`${method} /xet${pattern}`]: signed(`/xet${path}`, 401) }
}

function platforms(method: string, path: string) {
  const options = { mayMiss: true } as const
  return {
    [`${method} ${V1}/${path}`]: login(`${V1}/${path.replace(':id', '999999')}`, options),
  }
}
