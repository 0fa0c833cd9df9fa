// ci-count.mjs DIRECTORY CODE: adds up vitest's JSON reports, names what failed with the beginning of its message, and
// prints "N passed, N failed[, N skipped]" last. A run that failed without a failing test (a phase that is no test, a
// file that could not be loaded) counts as one.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

const MESSAGE_LINES = 12

const [directory = '', code = '0'] = process.argv.slice(2)
let passed = 0
let failed = 0
let skipped = 0

function say(file, title, message = '') {
  const lines = message.split('\n').slice(0, MESSAGE_LINES)
  console.log(
    [
      `FAILED ${relative('.', file)}: ${title}`,
      ...lines.map((it) => `    ${it.slice(0, 300)}`),
    ].join('\n'),
  )
}

for (const name of readdirSync(directory).filter((it) => it.endsWith('.json'))) {
  const report = JSON.parse(readFileSync(join(directory, name), 'utf8'))
  passed += report.numPassedTests
  failed += report.numFailedTests
  skipped += report.numPendingTests + report.numTodoTests
  for (const file of report.testResults) {
    const failures = file.assertionResults.filter((it) => it.status === 'failed')
    for (const it of failures) say(file.name, it.fullName, it.failureMessages?.[0])
    if (file.status === 'failed' && failures.length === 0) {
      failed += 1
      say(file.name, 'the file', file.message)
    }
  }
}
if (code !== '0' && failed === 0) failed = 1
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
