import '../require-node.js'

import type { TestProject } from 'vitest/node'

import { detect } from './detect.ts'

/** Find out once what this host has, for every test file. */
export default async function setup(project: TestProject): Promise<void> {
  project.provide('have', await detect())
}
