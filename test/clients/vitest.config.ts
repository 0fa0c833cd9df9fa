import { defineConfig } from 'vitest/config'

/** Stories with other projects' clients: slower than the tests beside them, and they need Python and the network once. */
export default defineConfig({
  test: {
    include: ['test/clients/**/*.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    maxWorkers: 2,
  },
})
