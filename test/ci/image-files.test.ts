import { describe, expect, it } from 'vitest'

import { debianTarget, keepsDependency } from '../../.ci/image-files.ts'

describe('what goes into the image', () => {
  it.each([
    ['lib/x86_64-linux-gnu/libc.so.6', 'usr/lib/x86_64-linux-gnu/libc.so.6'],
    ['usr/lib/aarch64-linux-gnu/libc.so.6', 'usr/lib/aarch64-linux-gnu/libc.so.6'],
    ['lib64/ld-linux-x86-64.so.2', 'usr/lib64/ld-linux-x86-64.so.2'],
    ['lib/ld-linux-aarch64.so.1', 'usr/lib/ld-linux-aarch64.so.1'],
    ['usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30', 'usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30'],
    ['usr/share/doc/libc6/copyright', 'usr/share/doc/libc6/copyright'],
    ['usr/lib/os-release', 'usr/lib/os-release'],
    ['usr/lib/x86_64-linux-gnu/gconv/UTF-16.so', undefined],
    ['usr/share/doc/libc6/changelog.Debian.gz', undefined],
    ['usr/share/gdb/auto-load/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30-gdb.py', undefined],
    ['usr/sbin/update-ca-certificates', undefined],
    ['etc/profile.d/x.sh', undefined],
  ])("of Debian's packages: %s lies at %s", (file, target) => {
    expect(debianTarget(file)).toBe(target)
  })

  it.each([
    ['better-sqlite3/prebuilds/linux-x64.node', true],
    ['better-sqlite3/prebuilds/linux-arm64.node', false],
    ['better-sqlite3/prebuilds/linuxmusl-x64.node', false],
    ['better-sqlite3/deps/sqlite3/sqlite3.c', false],
    ['better-sqlite3/src/better_sqlite3.cpp', false],
    ['lzma-native/prebuilds/linux-x64/node.napi.node', true],
    ['lzma-native/prebuilds/win32-x64/node.napi.node', false],
    ['zod/src/index.js', true],
    ['zod/index.d.ts', false],
    ['zod/index.d.cts', false],
    ['hono/dist/index.js.map', false],
    ['@types/node/package.json', false],
    ['.package-lock.json', false],
    ['.bin/semver', false],
  ])('of the dependencies: %s is kept: %s', (file, kept) => {
    expect(keepsDependency(file, 'linux-x64')).toBe(kept)
  })
})
