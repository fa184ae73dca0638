import { once } from 'node:events'
import { createWriteStream, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Row } from './run.ts'
import { held, statusOf, watched } from './watched.ts'

const AUDITS = '/npm/-/npm/v1/security'
/** A line of 20 kB each, most of it text that nobody needs: 200 MB. */
const ADVISORIES = 10_000
const DETAILS = 'words '.repeat(3300)

/** Advisories that name very many versions, trees of very many places, and a new and large file of advisories. */
export async function auditHolds(dir: string): Promise<readonly Row[]> {
  mkdirSync(dir, { recursive: true })
  const file = `${dir}/advisories.jsonl`
  writeFileSync(file, [manyVersions(), ...sevenOfWeak()].map((advisory) => JSON.stringify(advisory)).join('\n'))
  await using one = await watched(dir, [], ['--npm-advisories', file])
  const post = (path: string, body: string): Promise<Response> =>
    fetch(one.depot.url + AUDITS + path, { method: 'POST', body })
  const tree = largeTree()
  return [
    await held(one, 'an audit against 100,000 affected versions', () =>
      statusOf(post('/advisories/bulk', '{"affected":["1.1.0"]}'), 200),
    ),
    await held(one, 'an audit of a tree of 10,000 places fifty deep', () => statusOf(post('/audits/quick', tree), 200)),
    await held(
      one,
      'a new file of 200 MB of advisories',
      async () => {
        await writeAdvisories(`${file}.new`)
        renameSync(`${file}.new`, file)
        while ((await (await post('/advisories/bulk', '{"last":["1.0.0"]}')).text()) === '{}') await sleep(50)
        return 'written and read'
      },
      { rounds: 1 },
    ),
  ]
}

function manyVersions(): object {
  const versions = Array.from({ length: 100_000 }, (_, patch) => `1.0.${patch}`)
  return { id: 'MAL-1', affected: [{ package: { ecosystem: 'npm', name: 'affected' }, versions }] }
}

function sevenOfWeak(): readonly object[] {
  const ranges = [{ type: 'SEMVER', events: [{ introduced: '1.0.0' }, { fixed: '1.5.0' }] }]
  const affected = [{ package: { ecosystem: 'npm', name: 'weak' }, ranges }]
  return [1, 2, 3, 4, 5, 6, 7].map((id) => ({ id: `GHSA-aaaa-bbbb-000${id}`, summary: 'It breaks', affected }))
}

/** A lock file in which 10,000 packages have one of a hundred versions of `weak` each, below fifty long names. */
function largeTree(): string {
  const places = Array.from({ length: 10_000 }, (_, index) => {
    const weak = { version: `1.${Math.floor(index / 100)}.1` }
    return [`x${index}`, { dependencies: { weak } }]
  })
  let tree: object = { dependencies: Object.fromEntries(places) }
  for (let depth = 0; depth < 50; depth++) tree = { dependencies: { [`${'n'.repeat(75)}${depth}`]: tree } }
  return JSON.stringify(tree)
}

async function writeAdvisories(file: string): Promise<void> {
  const target = createWriteStream(file)
  for (let index = 0; index <= ADVISORIES; index++) {
    const name = index === ADVISORIES ? 'last' : `package-${index}`
    const affected = [{ package: { ecosystem: 'npm', name } }]
    if (!target.write(`${JSON.stringify({ id: `GHSA-${index}`, summary: 'It breaks', affected, details: DETAILS })}\n`))
      await once(target, 'drain')
  }
  target.end()
  await once(target, 'close')
}
