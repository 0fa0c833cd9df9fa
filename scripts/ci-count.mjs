// ci-count.mjs DIRECTORY CODE: adds up vitest's JSON reports and prints "N passed, N failed[, N skipped]". A run that
// failed without a failing test (a phase that is no test, a file that could not be loaded) counts as one.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const [directory = '', code = '0'] = process.argv.slice(2)
let passed = 0
let failed = 0
let skipped = 0
for (const name of readdirSync(directory).filter((it) => it.endsWith('.json'))) {
  const report = JSON.parse(readFileSync(join(directory, name), 'utf8'))
  passed += report.numPassedTests
  failed += report.numFailedTests
  skipped += report.numPendingTests + report.numTodoTests
  for (const file of report.testResults)
    if (file.status === 'failed' && !file.assertionResults.some((it) => it.status === 'failed'))
      failed += 1
}
if (code !== '0' && failed === 0) failed = 1
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
