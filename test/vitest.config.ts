import { availableParallelism } from 'node:os'

import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/global-setup.ts'],
    setupFiles: ['test/helpers/properties.ts'],
    // Test files wait for clients and disks as much as they compute. Vitest's own choice, all but one core, is one on two cores.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // One second, as Vitest has it, says more of the machine than of what is waited for.
    expect: { poll: { timeout: 10_000 } },
  },
})
