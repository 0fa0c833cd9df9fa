import { HubError } from '../errors.js'

/** Top-level words that routes use; they cannot become users or organisations. */
const RESERVED = new Set(
  `admin api auth avatars blob branch branches bucket buckets chat collections commit commits dataset datasets docs
  download downloads edit endpoints explore favicon.ico git health healthz help hub inference internal jobs join
  kernels lfs login logout metrics model models new none notifications null oauth objects org organization
  organizations orgs packhorse papers posts pricing privacy quota raw readyz register repo repos repository
  repositories resolve robots.txt root search settings site space spaces stats static status storage support system
  tag tags tasks terms tree trending undefined upload user users v1 v2 version webhooks well-known xet`.split(
    /\s+/,
  ),
)

/** Names that are told apart no further than this are the same name (KohakuHub's rule): lower case, without `-` and `_`. */
export function nameKey(name: string): string {
  return name.toLowerCase().replace(/[-_]/g, '')
}

/** Throws `invalid_input` unless `name` can be a user or organisation. */
export function checkNamespaceName(name: string): void {
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,38}[A-Za-z0-9])?$/.test(name) || /--|\.\./.test(name))
    throw new HubError(
      'invalid_input',
      'A user or organisation name has 1 to 40 letters, digits, "-", "_" or ".", begins and ends with a letter or digit, and has no "--" or "..".',
    )
  if (RESERVED.has(name.toLowerCase()) || nameKey(name) === '' || /\.(git|lock)$/i.test(name))
    throw new HubError('invalid_input', `The name "${name}" is reserved.`)
}

/** Throws `invalid_input` unless `name` can be a repository (huggingface_hub's `validate_repo_id`, Outpost's alphabet). */
export function checkRepoName(name: string): void {
  if (!/^[A-Za-z0-9_.-]{1,96}$/.test(name))
    throw new HubError(
      'invalid_input',
      'A repository name has 1 to 96 letters, digits, "-", "_" or ".".',
    )
  if (/^[-.]|[-.]$|--|\.\.|\.(git|ipynb|lock)$/i.test(name) || nameKey(name) === '')
    throw new HubError(
      'invalid_input',
      `"${name}" cannot be a repository name: it must not begin or end with "-" or ".", contain "--" or "..", or end with ".git".`,
    )
  if (/^repo_[0-9a-f]{12}$/.test(name))
    throw new HubError('invalid_input', 'A repository name must not look like a repository id.')
}
