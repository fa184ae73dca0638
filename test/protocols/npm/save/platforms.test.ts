import { describe, expect, it } from 'vitest'

import { parsePlatform, runsOn } from '../../../../protocols/npm/save/platforms.ts'

function runs(conditions: object, ...names: readonly string[]): boolean {
  return runsOn(
    conditions,
    names.flatMap((name) => parsePlatform(name) ?? []),
  )
}

describe('platforms', () => {
  it('are an operating system, a processor, and on Linux a C library', () => {
    expect(parsePlatform('linux-x64-musl')).toEqual({ os: 'linux', cpu: 'x64', libc: 'musl' })
    expect(parsePlatform('darwin-arm64')).toEqual({ os: 'darwin', cpu: 'arm64', libc: undefined })
    for (const text of ['linux', 'linux-x64-gnu', 'Linux-x64', '', 'linux-x64-musl-x'])
      expect(parsePlatform(text)).toBe(undefined)
  })

  it('let everything through when none is named', () => {
    expect(runs({ os: ['darwin'] })).toBe(true)
  })

  it('are held against os, cpu and libc as npm does', () => {
    expect(runs({ os: ['linux'], cpu: ['x64'] }, 'linux-x64')).toBe(true)
    expect(runs({ os: ['linux'], cpu: ['arm64'] }, 'linux-x64')).toBe(false)
    expect(runs({ os: ['!win32'] }, 'linux-x64')).toBe(true)
    expect(runs({ os: ['!win32'] }, 'win32-x64')).toBe(false)
    expect(runs({ os: 'darwin' }, 'linux-x64')).toBe(false)
    expect(runs({ os: ['any'] }, 'linux-x64')).toBe(true)
    expect(runs({ libc: ['musl'] }, 'linux-x64-glibc')).toBe(false)
    expect(runs({ libc: ['musl'] }, 'linux-x64')).toBe(true)
    expect(runs({ libc: ['musl'] }, 'darwin-arm64')).toBe(false)
    expect(runs({ os: ['darwin'] }, 'linux-x64', 'darwin-arm64')).toBe(true)
  })
})
