import { stripVTControlCharacters } from 'node:util'

import { describe, expect, it } from 'vitest'

import { parseArguments, runCli, UsageError, type Cli, type Command } from '../../cmd/cli.ts'
import { DepotError } from '../../src/errors.ts'

const command: Command = {
  name: 'serve',
  description: 'Serve something',
  args: {
    'listen-addr': { type: 'string', description: 'Where', valueHint: 'HOST:PORT' },
    verbose: { type: 'boolean', description: 'More' },
    target: { type: 'positional', description: 'What', required: false },
  },
  examples: ['depot serve --verbose'],
  run: async ({ flags }) => {
    if (flags['verbose'] !== undefined) throw new DepotError('STORAGE_DOWN', 'the disk is gone')
    return 0
  },
}

function cli(): { readonly cli: Cli; readonly out: string[]; readonly err: string[] } {
  const out: string[] = []
  const err: string[] = []
  const io = { out: (line: string) => void out.push(line), err: (line: string) => void err.push(line) }
  return {
    cli: { version: '1.2.3', descriptions: { serve: 'Serve' }, commands: { serve: async () => command }, io },
    out,
    err,
  }
}

describe('parseArguments', () => {
  it('keeps every value of a repeated flag, and what comes without one', () => {
    expect(parseArguments(command, ['--listen-addr', 'a', 'x', '--listen-addr=b', '--verbose'])).toEqual({
      flags: { 'listen-addr': ['a', 'b'], verbose: ['true'] },
      positionals: ['x'],
    })
  })

  it('refuses an unknown flag and names the nearest', () => {
    expect(() => parseArguments(command, ['--listen-adr', 'x'])).toThrow(
      "unknown flag '--listen-adr' (did you mean --listen-addr?)",
    )
    expect(() => parseArguments(command, ['--zzzzzzzz'])).toThrow(/^unknown flag '--zzzzzzzz'$/)
    expect(() => parseArguments(command, ['-q'])).toThrow(UsageError)
    expect(() => parseArguments(command, ['--__proto__', 'x'])).toThrow(UsageError)
  })

  it.each([
    [['--listen-addr']],
    [['--listen-addr', '--verbose']],
    [['--listen-addr=']],
    [['--verbose=maybe']],
    [['a', 'b']],
  ])('refuses %j', (argv) => {
    expect(() => parseArguments(command, argv)).toThrow(UsageError)
  })

  it('takes the last positional several times where the command says so', () => {
    expect(parseArguments({ ...command, repeats: true }, ['a', 'b', 'c']).positionals).toEqual(['a', 'b', 'c'])
  })
})

describe('runCli', () => {
  it('shows the usage with an example for --help, whatever else is there', async () => {
    const { cli: table, out } = cli()
    expect(await runCli(table, ['serve', '--nonsense', '--help'])).toBe(0)
    expect(out.join('\n')).toContain('--listen-addr')
    expect(out.join('\n')).toContain('depot serve --verbose')
  })

  it('prints a usage that is plain text, whatever it is piped into', async () => {
    const { cli: table, out } = cli()
    await runCli(table, ['serve', '--help'])
    const text = out.join('\n')
    expect(text).toBe(stripVTControlCharacters(text))
    expect(text).not.toMatch(/ $/m)
  })

  it('lists the commands when there is none, and fails', async () => {
    const { cli: table, out } = cli()
    expect(await runCli(table, [])).toBe(2)
    expect(out.join('\n')).toContain('serve')
    expect(await runCli(table, ['--help'])).toBe(0)
  })

  it('says its version', async () => {
    const { cli: table, out } = cli()
    expect(await runCli(table, ['--version'])).toBe(0)
    expect(out).toEqual(['1.2.3'])
  })

  it('refuses an unknown command and names the nearest', async () => {
    const { cli: table, err } = cli()
    expect(await runCli(table, ['sevre'])).toBe(2)
    expect(err).toEqual(["depot: unknown command 'sevre' (did you mean serve?)"])
    expect(await runCli(table, ['constructor'])).toBe(2)
  })

  it('tells an expected failure and its cause in a line each, and a bug with its stack', async () => {
    const { cli: table, err } = cli()
    expect(await runCli(table, ['serve', '--verbose'])).toBe(1)
    expect(err).toEqual(['depot: the disk is gone'])
    const cause = new Error("EACCES: permission denied, mkdir '/srv/depot'")
    const down = {
      ...table,
      commands: {
        serve: async () => ({
          ...command,
          run: () => Promise.reject(new DepotError('STORAGE_DOWN', 'no', { cause })),
        }),
      },
    }
    expect(await runCli(down, ['serve'])).toBe(1)
    expect(err.at(-1)).toBe("depot: no\n  EACCES: permission denied, mkdir '/srv/depot'")
    const broken = {
      ...table,
      commands: { serve: async () => ({ ...command, run: () => Promise.reject(new TypeError('oops')) }) },
    }
    expect(await runCli(broken, ['serve'])).toBe(1)
    expect(err.at(-1)).toMatch(/a bug.*\n.*TypeError: oops\n\s+at /s)
  })
})

describe('a group of commands', () => {
  const create: Command = { ...command, name: 'token create', examples: ['depot token create'] }
  const grouped = (): ReturnType<typeof cli> => {
    const made = cli()
    const token = { commands: { create: async () => create }, descriptions: { create: 'Make one' } }
    const descriptions = { serve: 'Serve', token: 'Stored tokens' }
    return { ...made, cli: { ...made.cli, descriptions, commands: { ...made.cli.commands, token } } }
  }

  it('runs the command that its second word names, and shows that by its whole name', async () => {
    const { cli: table, out } = grouped()
    expect(await runCli(table, ['token', 'create', 'x'])).toBe(0)
    expect(await runCli(table, ['token', 'create', '--help'])).toBe(0)
    expect(out.join('\n')).toContain('USAGE depot token create [OPTIONS] [TARGET]')
  })

  it('lists its commands for --help, and without a second word, which fails', async () => {
    const { cli: table, out } = grouped()
    expect(await runCli(table, ['token', '--help'])).toBe(0)
    expect(out.join('\n')).toContain('Usage: depot token <command>')
    expect(out.join('\n')).toContain('  create  Make one')
    expect(await runCli(table, ['token'])).toBe(2)
    expect(await runCli(table, ['--help'])).toBe(0)
    expect(out.at(-1)).toContain('Stored tokens')
  })

  it('refuses an unknown second word and names the nearest', async () => {
    const { cli: table, err } = grouped()
    expect(await runCli(table, ['token', 'creat'])).toBe(2)
    expect(await runCli(table, ['token', 'toString'])).toBe(2)
    expect(err).toEqual([
      "depot: unknown command 'token creat' (did you mean create?)",
      "depot: unknown command 'token toString'",
    ])
  })
})
