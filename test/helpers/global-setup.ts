import '../require-node.js'

import type { TestProject } from 'vitest/node'

import { detect } from './detect.ts'
import { startServices } from './services.ts'

/** Find out once what this host has, for every test file. What is returned stops what was started. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const services = await startServices()
  project.provide('have', await detect(services.postgresUrl))
  return async () => services[Symbol.asyncDispose]()
}
