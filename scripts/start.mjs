// npm start: builds when the sources are newer than the last build, then runs the hub (flags alone are those of serve).
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const newest = (dir) =>
  Math.max(
    ...readdirSync(dir, { withFileTypes: true }).map((it) =>
      it.isDirectory() ? newest(join(dir, it.name)) : statSync(join(dir, it.name)).mtimeMs,
    ),
  )
const main = join(root, 'dist/main.js')
if (!existsSync(main) || statSync(main).mtimeMs < newest(join(root, 'src'))) {
  const tsc = join(root, 'node_modules/.bin/tsc')
  const built = spawnSync(tsc, ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
  if (built.status !== 0) process.exit(built.status ?? 1)
}
const args = process.argv.slice(2)
const command = args[0]?.startsWith('-') === false ? [] : ['serve']
process.argv = [process.argv[0], main, ...command, ...args]
await import(main)
