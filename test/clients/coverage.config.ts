import { defineConfig } from 'vitest/config'

/** Runs after the stories, over what they noted. */
export default defineConfig({ test: { include: ['test/clients/coverage.check.ts'] } })
