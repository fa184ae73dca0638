import { execFile } from 'node:child_process'
import process from 'node:process'
import { promisify } from 'node:util'

import { describe, expect, it } from 'vitest'

import type { CommandGroup } from '../../cmd/cli.ts'
import { COMMANDS, everyCommand } from '../../cmd/commands.ts'

describe('the commands', () => {
  it('are called what their place in the table says, and each has a line in the overview', async () => {
    const places = placesOf(COMMANDS)
    expect(places).toContain('npm rewrite-lock')
    const commands = await everyCommand(COMMANDS)
    expect(commands.map(({ name }) => name)).toEqual(places)
    expect(commands.filter(({ examples }) => examples.length === 0)).toEqual([])
  })

  it.each([['--version'], ['--help'], ['npm', '--help']])('are not loaded for %s', async (...argv) => {
    const loaded = await modulesLoaded(argv)
    expect(loaded).toContain('cmd/commands.ts')
    expect(loaded.filter((file) => file.startsWith('protocols/') || file.includes('zod'))).toEqual([])
  })
})

/** `npm save`, `serve`: where each command stands. Every name must be described. */
function placesOf({ commands, descriptions }: CommandGroup, words: readonly string[] = []): readonly string[] {
  expect(Object.keys(descriptions).toSorted()).toEqual(Object.keys(commands).toSorted())
  return Object.entries(commands).flatMap(([name, entry]) =>
    typeof entry === 'function' ? [[...words, name].join(' ')] : placesOf(entry, [...words, name]),
  )
}

const run = promisify(execFile)
const CHECKOUT = new URL('../..', import.meta.url)
const HOOK = `import { registerHooks } from 'node:module'
registerHooks({ load: (url, context, next) => (process.stderr.write('loaded ' + url + '\\n'), next(url, context)) })`

/** The files of this checkout, and of its dependencies, that one command line loads. */
async function modulesLoaded(argv: readonly string[]): Promise<readonly string[]> {
  const hook = `data:text/javascript,${encodeURIComponent(HOOK)}`
  const { stderr } = await run(process.execPath, ['--import', hook, 'cmd/depot.ts', ...argv], { cwd: CHECKOUT })
  return [...stderr.matchAll(/^loaded (?<url>file:\S+)$/gm)].map(({ groups }) =>
    (groups?.['url'] ?? '').replace(CHECKOUT.href, ''),
  )
}
