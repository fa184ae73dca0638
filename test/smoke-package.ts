// Run after `npm run build`: the package as npm would publish it starts, takes a file and gives it back.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { symlink } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { postForm, uploadForm } from './helpers/python-upload.ts'
import { startServerProcess } from './helpers/server-process.ts'
import { tempDir } from './helpers/temp-dir.ts'
import { buildWheel } from './helpers/wheel.ts'

const checkout = path.dirname(import.meta.dirname)
const run = promisify(execFile)

await using dir = await tempDir('package')
const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', dir.path], { cwd: checkout })
await run('tar', ['-xzf', dir.join(stdout.trim()), '-C', dir.path])
await symlink(path.join(checkout, 'node_modules'), dir.join('package', 'node_modules'))

const launcher = dir.join('package', 'cmd', 'launch.js')
const version = await run(process.execPath, [launcher, '--version'])
assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/)

await using server = await startServerProcess({ launcher })
const file = buildWheel({ name: 'smoke', version: '1.0' })
assert.ok((await postForm(server.url, uploadForm(file))).ok)
const answer = await fetch(`${server.url}/python/files/smoke/${file.filename}`)
assert.deepEqual(Buffer.from(await answer.arrayBuffer()), file.bytes)
assert.equal(await server.stop(), 0)
console.log(`the package of depot ${version.stdout.trim()} starts, stores, serves and stops`)
