import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { HOSTILE_SEGMENTS } from '../fixtures/hostile-paths.ts'
import { rawRequest, type RawResponse } from '../helpers/raw-http.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const SEED = 20_250_131
const PATHS = 2000
const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE']
const CANARY = 'the-canary-that-nobody-may-read'

describe('paths that no client would send', () => {
  it(
    `reach no file, no blob and no 5xx: ${PATHS} of them, each with ${METHODS.join(', ')} (seed ${SEED})`,
    { timeout: 300_000 },
    async () => {
      await using outside = await tempDir('outside')
      const dataDir = outside.join('a', 'b', 'data')
      await mkdir(path.dirname(dataDir), { recursive: true })
      for (const name of ['canary', 'a/canary', 'a/b/canary']) await writeFile(outside.join(name), CANARY)
      await using server = await startServerProcess({ dataDir })
      await writeFile(path.join(dataDir, 'canary'), CANARY)
      const signingKey = await readFile(path.join(dataDir, 'signing.key'), 'utf8')
      const before = await filesBelow(outside.path)

      await fc.assert(
        fc.asyncProperty(hostilePath, async (hostile) => {
          const answers = await Promise.all(METHODS.map((method) => ask(server.url, method, hostile)))
          expect(answers.filter(({ status }) => status >= 500)).toEqual([])
          expect(answers.filter(({ body }) => body.includes(CANARY) || body.includes(signingKey.trim()))).toEqual([])
          expect(answers.filter(({ body }) => body.includes('root:x:0'))).toEqual([])
        }),
        { seed: SEED, numRuns: PATHS },
      )

      expect((await rawRequest(server.url, { path: '/healthz' })).status).toBe(200)
      expect(await filesBelow(outside.path)).toEqual(before)
      await server.stop()
      expect(server.logs()).not.toContain('unexpected')
    },
  )
})

async function ask(url: string, method: string, hostile: string): Promise<RawResponse> {
  const writes = method === 'PUT' || method === 'POST'
  return rawRequest(url, { method, path: hostile, ...(writes ? { body: 'x' } : {}) })
}

const PREFIXES = [
  '/',
  '//',
  '/nix/',
  '/nix/nar/',
  '/nar/',
  '/log/',
  '/npm/',
  '/npm/left-pad/-/',
  '/npm/@acme/',
  '/npm/-/package/left-pad/dist-tags/',
  '/left-pad/-/',
  '/python/',
  '/python/simple/',
  '/python/files/jinja2/',
  '/python/jinja2/',
  '/python/legacy/',
  '/c/main/npm/',
  '/-/',
]
const ORDINARY = [
  'a',
  'left-pad',
  'left-pad-1.0.0.tgz',
  'jinja2-3.1-py3-none-any.whl',
  'etc',
  'passwd',
  'canary',
  'data',
]
const SEPARATORS = [...Array<string>(10).fill('/'), '//', '%2f', '%2F', '%252f', '\\', '%5c', ';/', '/./', '/../']
const ENDINGS = [
  ...Array<string>(6).fill(''),
  '/',
  '.narinfo',
  '.nar.xz',
  '.tgz',
  '.whl',
  '.metadata',
  '?a=../../canary',
  '%00',
  '%00.tgz',
  ';a=b',
  '#x',
]

// Mostly ordinary, so that what is not gets past the first look at the path and meets the grammars behind it.
const segment = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...ORDINARY) },
  { weight: 3, arbitrary: fc.constantFrom(...HOSTILE_SEGMENTS) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('..', '%2e%2e', '..;', '%c0%ae%c0%ae', '%00', '\u0000', '\u00ae\u0001', 'a b'),
  },
  { weight: 2, arbitrary: fc.string({ maxLength: 12 }).map((text) => encodeURIComponent(text.toWellFormed())) },
)

const hostilePath = fc
  .record({
    prefix: fc.constantFrom(...PREFIXES),
    parts: fc.array(fc.tuple(segment, fc.constantFrom(...SEPARATORS)), { maxLength: 4 }),
    last: segment,
    ending: fc.constantFrom(...ENDINGS),
  })
  .map(({ prefix, parts, last, ending }) => prefix + parts.flat().join('') + last + ending)

/** Every file with its content, but the database's: a server may open and checkpoint it as it likes. */
async function filesBelow(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('depot.db'))
  const names = files.map((entry) => path.join(entry.parentPath, entry.name))
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await readFile(name, 'latin1')])))
}
