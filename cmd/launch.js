#!/usr/bin/env node
// Plain JavaScript on purpose: an older Node cannot parse what it imports, and must still be able to say so.
import { existsSync } from 'node:fs'

const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(
    `depot needs Node 24 or newer; ${process.execPath} is ${process.versions.node} (in a checkout, npm start brings its own)`,
  )
  process.exit(1)
}

if (process.argv[2] === 'serve') startLean()

// A checkout runs from its TypeScript sources, an installed package from the compiled ones beside it.
const source = new URL('./depot.ts', import.meta.url)
const compiled = new URL('../dist/cmd/depot.js', import.meta.url)
await import(existsSync(source) ? source.href : compiled.href)

/**
 * A server becomes another Node in the same process, whose memory is bounded before it begins: neither bound can be set later. V8 would let
 * garbage of 32 MB gather in the young half of its heap, of which 16 are as fast. The C library would keep what is freed in a place of its
 * own for each thread that compresses. What an operator has set stays, each by itself; workers inherit both.
 */
function startLean() {
  const { NODE_OPTIONS: options = '', MALLOC_ARENA_MAX: arenas } = process.env
  const isBounded = [options, ...process.execArgv].some((text) => text.includes('-semi-space-size'))
  // A process with a channel to its parent would lose it.
  if ((isBounded && arenas !== undefined) || process.send) return
  // Of a program that an upgrade has removed meanwhile, Node would not say that it cannot start it: it aborts.
  if (!existsSync(process.execPath)) return
  const env = {
    ...process.env,
    NODE_OPTIONS: isBounded ? options : `${options} --max-semi-space-size=8`.trim(),
    MALLOC_ARENA_MAX: arenas ?? '2',
  }
  try {
    process.execve(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], env)
  } catch {
    // Not on Windows: it runs as it is.
  }
}
