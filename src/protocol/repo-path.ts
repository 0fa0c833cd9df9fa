/*
 * Where repositories live in URLs: /{ns}/{name}, /models/…, /datasets/…, /spaces/…, each with or without ".git",
 * and what follows.
 */
const PLURAL = { models: 'model', datasets: 'dataset', spaces: 'space' } as const
type Kind = (typeof PLURAL)[keyof typeof PLURAL]

export interface RepoPath {
  readonly kind: Kind
  readonly namespace: string
  readonly name: string
  /** What follows the repository, without the slash, still percent-encoded. */
  readonly rest: string
}

const SHAPE = /^\/(?:(models|datasets|spaces)\/)?([\w.-]+)\/([\w.-]+)(?:\/(.*))?$/
const NEVER_NAMESPACES = new Set(['api', 'auth', 'lfs', 'xet', 'models', 'datasets', 'spaces'])

/** Splits a raw request path; undefined when it cannot name a repository. */
export function parseRepoPath(path: string): RepoPath | undefined {
  const match = SHAPE.exec(path)
  if (!match) return undefined
  const [, plural = 'models', namespace = '', rawName = '', rest = ''] = match
  const name = rawName.replace(/\.git$/, '')
  if (name === '' || NEVER_NAMESPACES.has(namespace)) return undefined
  return { kind: PLURAL[plural as keyof typeof PLURAL], namespace, name, rest }
}

/** Path prefix outside /api: models have none (huggingface-wire 0, notation `{P}`). */
export function kindPrefix(kind: Kind): '' | 'datasets/' | 'spaces/' {
  return kind === 'model' ? '' : (`${kind}s`.concat('/') as 'datasets/' | 'spaces/')
}

/** `/ns/name`, `/datasets/ns/name`, `/spaces/ns/name`. */
export function repoUrlPath(repo: { kind: Kind; namespace: string; name: string }): string {
  return `/${kindPrefix(repo.kind)}${repo.namespace}/${repo.name}`
}

/** `models` | `datasets` | `spaces` or the singular forms, as older APIs spell them. */
export function parseKind(text: string | undefined): Kind | undefined {
  if (text === undefined) return undefined
  if (Object.hasOwn(PLURAL, text)) return PLURAL[text as keyof typeof PLURAL]
  return text === 'model' || text === 'dataset' || text === 'space' ? text : undefined
}
