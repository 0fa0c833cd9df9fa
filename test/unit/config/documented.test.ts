import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { SETTINGS } from '../../../src/config/config.js'

const PAGE = fileURLToPath(new URL('../../../docs/operations.md', import.meta.url))
const TABLE = /(<!-- settings:.*-->\n)([\s\S]*?)(<!-- \/settings -->)/

test('docs/operations.md has a row for every setting', () => {
  const page = readFileSync(PAGE, 'utf8')
  const rows = SETTINGS.map(
    ({ variable, flag, defaultValue, description }) =>
      `| \`${variable}\` | \`${flag}\` | ${defaultValue} | ${description.replaceAll('|', '\\|')} |\n`,
  )
  const table = `| variable | flag | default | meaning |\n|---|---|---|---|\n${rows.join('')}`
  if (process.env.UPDATE_DOCS) writeFileSync(PAGE, page.replace(TABLE, `$1${table}$3`))
  else expect(TABLE.exec(page)?.[2]).toBe(table)
})
