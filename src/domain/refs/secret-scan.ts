import { lintSource } from '@secretlint/core'
import { creator as preset } from '@secretlint/secretlint-rule-preset-recommend'
import { HubError } from '../errors.js'

const MAX_LISTED = 20
const ALLOW = /(gitleaks|packhorse|secretlint)[:-]allow/i
/** Bytes; longer files are not text that somebody typed a secret into. */
export const MAX_SCANNED_BYTES = 1024 * 1024

export interface FoundSecret {
  readonly path: string
  readonly line: number
  readonly rule: string
}

/** Secrets in one text file by secretlint's recommended rules; a line with `gitleaks:allow` is passed over. */
export async function scanText(path: string, content: Buffer): Promise<FoundSecret[]> {
  if (content.length > MAX_SCANNED_BYTES || content.subarray(0, 8000).includes(0)) return []
  const text = content.toString('utf8')
  const result = await lintSource({
    source: {
      filePath: path,
      content: text,
      ext: /\.[^./]*$/.exec(path)?.[0] ?? '',
      contentType: 'text',
    },
    options: {
      config: { rules: [{ id: '@secretlint/secretlint-rule-preset-recommend', rule: preset }] },
      noPhysicFilePath: true,
    },
  })
  const lines = text.split('\n')
  return result.messages
    .map((it) => ({
      path,
      line: it.loc.start.line,
      rule: it.ruleId.replace('@secretlint/secretlint-rule-', ''),
    }))
    .filter((it) => !ALLOW.test(lines[it.line - 1] ?? ''))
}

/** The refusal of a push that carries secrets: says where, and how to get it through; never the secret itself. */
export function secretsError(found: readonly FoundSecret[]): HubError {
  const listed = found.slice(0, MAX_LISTED).map((it) => `  ${it.path}:${it.line} (${it.rule})`)
  return new HubError(
    'forbidden',
    [
      'Your push was rejected because it contains secrets:',
      ...listed,
      ...(found.length > MAX_LISTED ? [`  … and ${found.length - MAX_LISTED} more`] : []),
      'Remove them from the commits, or mark a false alarm with a comment "gitleaks:allow" on its line.',
    ].join('\n'),
    { secrets: found.length },
  )
}
