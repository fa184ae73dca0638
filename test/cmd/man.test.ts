import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'

import { describe, expect, it } from 'vitest'

import { COMMANDS, everyCommand } from '../../cmd/commands.ts'
import { describeWith } from '../helpers/have.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const run = promisify(execFile)

describe('the manual page', () => {
  it('has every command with all its options, and says when it was made', async () => {
    const { stdout } = await runDepot(['man'], { SOURCE_DATE_EPOCH: '86400' })
    expect(stdout.split('\n')[0]).toMatch(/^\.TH "DEPOT" 1 "1970-01-02" "depot \d+\.\d+\.\d+" "Depot"$/)
    for (const { name, args } of await everyCommand(COMMANDS)) {
      expect(stdout).toContain(`.SS \\fBdepot ${name.replaceAll('-', '\\-')}\\fR\n`)
      const options = Object.entries(args).filter(([, { type }]) => type !== 'positional')
      for (const [option] of options) expect(stdout).toContain(`\\fB\\-\\-${option.replaceAll('-', '\\-')}`)
    }
  })

  it('is also there for one command, and not for what is none', async () => {
    expect((await runDepot(['man', 'npm', 'save'])).stdout).toContain('.TH "DEPOT-NPM-SAVE" 1 ')
    const { stdout } = await runDepot(['man', 'token'])
    expect(stdout).toContain('.TH "DEPOT-TOKEN" 1 ')
    expect(stdout.match(/^\.SS .*$/gm)).toEqual(
      ['create', 'list', 'revoke'].map((name) => `.SS \\fBdepot token ${name}\\fR`),
    )
    expect((await runDepot(['man', "'"])).stderr).toBe("depot: no manual page of '''\n")
    expect(await runDepot(['man', 'npm', 'sav'])).toMatchObject({
      status: 2,
      stderr: "depot: no manual page of 'npm sav' (did you mean npm save?)\n",
    })
  })
})

describeWith(['mandoc', 'groff'], 'the manual page, formatted', () => {
  it.each([['depot'], ['depot', 'nix', 'push'], ['depot', 'key'], ['depot', 'doctor']])(
    'gives no reason to warn: %s',
    async (...words) => {
      await using dir = await tempDir('man')
      const { stdout } = await runDepot(['man', ...words.slice(1)])
      await writeFile(dir.join('page.1'), stdout)
      expect((await run('mandoc', ['-Tlint', dir.join('page.1')])).stdout).toBe('')
      expect((await run('groff', ['-man', '-Tutf8', '-ww', '-z', dir.join('page.1')])).stderr).toBe('')
      const printed = (await run('mandoc', ['-Tascii', dir.join('page.1')])).stdout.replaceAll(/.[\b]/g, '')
      expect(printed).toMatch(RegExp(`NAME\n +${words.join('-')} - `))
      for (const section of ['SYNOPSIS', 'DESCRIPTION', 'ENVIRONMENT', 'FILES', 'EXIT STATUS']) {
        expect(printed).toContain(`\n${section}\n`)
      }
    },
  )

  it('keeps dots, quotes, backslashes and what is not ASCII as they are', async () => {
    await using dir = await tempDir('man')
    await writeFile(dir.join('page.1'), (await runDepot(['man'])).stdout)
    const { stdout } = await run('mandoc', ['-Tutf8', dir.join('page.1')])
    const printed = stdout.replaceAll(/.[\b]/g, '').replaceAll(/\s+/g, ' ')
    for (const words of [
      '.npmrc',
      'signing-2.key, …',
      "npm's setting",
      '~/.ssh/id_ed25519',
      'eval "$(depot token create',
    ]) {
      expect(printed).toContain(words)
    }
  })
})
