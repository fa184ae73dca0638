import '../require-node.js'

import process from 'node:process'

import type { TestProject } from 'vitest/node'

import { detect } from './detect.ts'
import { startServices } from './services.ts'
import { tempDir } from './temp-dir.ts'

/** Find out once what this host has, for every test file. What is returned stops what was started. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await using started = new AsyncDisposableStack()
  // The tests start our programs by the thousand, from the sources: two thirds of a short command is to strip types and to compile.
  process.env['NODE_COMPILE_CACHE'] ??= started.use(await tempDir('compiled')).path
  const services = started.use(await startServices())
  project.provide('have', await detect(services.urls))
  const running = started.move()
  return async () => running[Symbol.asyncDispose]()
}
