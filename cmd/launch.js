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

// A checkout runs from its TypeScript sources, an installed package from the compiled ones beside it.
const source = new URL('./depot.ts', import.meta.url)
const compiled = new URL('../dist/cmd/depot.js', import.meta.url)
await import(existsSync(source) ? source.href : compiled.href)
