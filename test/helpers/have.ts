import { writeSync } from 'node:fs'
import process from 'node:process'

import { describe, inject, it } from 'vitest'

import type { Detection, Part } from './detect.ts'

declare module 'vitest' {
  interface ProvidedContext {
    have: Detection
  }
}

const detection = inject('have')
const parts = Object.keys(detection) as Part[]

/** Which clients and servers this host has: `have.nix`, and where: `have.paths.nix` ('' when missing; for each npm, its npm-cli.js). */
export const have: Readonly<Record<Part, boolean>> & { readonly paths: Readonly<Record<Part, string>> } = {
  ...table((part) => 'path' in detection[part]),
  paths: table((part) => pathOf(part)),
}

/**
 * A suite that needs parts of the host. When one is missing it prints one line and is skipped; when DEPOT_TEST_REQUIRE
 * (`all`, or names with commas) demands the part, it fails.
 */
export function describeWith(needs: Part | readonly Part[], title: string, suite: () => void): void {
  const missing = [needs].flat().filter((part) => !have[part])
  const reasons = missing.map(reason).join('; ')
  const required = missing.some(isRequired)
  if (missing.length > 0 && !required) writeSync(2, `skip ${title}: ${reasons}\n`)
  describe.skipIf(missing.length > 0 && !required)(title, () => (required ? failure(reasons) : suite()))
}

function failure(reasons: string): void {
  it('finds what it needs on this host', () => {
    throw new Error(reasons)
  })
}

function isRequired(part: Part): boolean {
  const required = (process.env['DEPOT_TEST_REQUIRE'] ?? '').split(',')
  return required.includes('all') || required.includes(part)
}

function reason(part: Part): string {
  const found = detection[part]
  return 'missing' in found ? found.missing : ''
}

function pathOf(part: Part): string {
  const found = detection[part]
  return 'path' in found ? found.path : ''
}

function table<T>(valueOf: (part: Part) => T): Record<Part, T> {
  return Object.fromEntries(parts.map((part) => [part, valueOf(part)])) as Record<Part, T>
}
