import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import wabt from 'wabt'
import { KERNELS_BASE64 } from '../../../../src/protocol/xet/kernels-wasm.js'

const SOURCE = new URL('../../../../src/protocol/xet/kernels.wat', import.meta.url)
const EMBEDDED = new URL('../../../../src/protocol/xet/kernels-wasm.ts', import.meta.url)

test('the embedded instructions are kernels.wat assembled', async () => {
  const { parseWat } = await wabt()
  const module = parseWat('kernels.wat', readFileSync(SOURCE, 'utf8'), {
    simd: true,
    bulk_memory: true,
  })
  module.validate()
  const assembled = Buffer.from(module.toBinary({}).buffer).toString('base64')
  if (process.env.UPDATE_KERNELS) writeFileSync(EMBEDDED, sourceOf(assembled))
  else expect(KERNELS_BASE64).toBe(assembled)
})

function sourceOf(base64: string): string {
  const lines = (base64.match(/.{1,94}/g) ?? []).map((line) => `  '${line}'`)
  return `/**
 * kernels.wat assembled; rewritten by
 * \`UPDATE_KERNELS=1 npx vitest run test/unit/protocol/xet/kernels.test.ts\`.
 */
export const KERNELS_BASE64 =
${lines.join(' +\n')}
`
}
