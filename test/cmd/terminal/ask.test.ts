import { execFile } from 'node:child_process'
import { chmod, writeFile } from 'node:fs/promises'
import process from 'node:process'
import { promisify } from 'node:util'

import { expect, it } from 'vitest'

import { askSecret } from '../../../cmd/terminal/ask.ts'
import { describeWith, have } from '../../helpers/have.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

/** Types into a terminal of its own when the prompt is there, and prints all that the terminal showed. */
const TYPIST = `
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
shown = b''
typed = False
while True:
    try:
        piece = os.read(fd, 1024)
    except OSError:
        break
    if not piece:
        break
    shown += piece
    if not typed and b'Passphrase:' in shown:
        typed = True
        os.write(fd, os.environb[b'TYPED'])
os.waitpid(pid, 0)
sys.stdout.buffer.write(shown)
`

const ASK = `
import { askSecret } from '${import.meta.dirname}/../../../cmd/terminal/ask.ts'
const ask = await askSecret({})
try {
  const typed = await ask('Passphrase:')
  console.log('length ' + typed.length + ' last ' + typed.codePointAt(typed.length - 1))
} catch (error) {
  console.log('error ' + error.message)
}
`

async function type(typed: string): Promise<string> {
  const args = ['-c', TYPIST, process.execPath, '--input-type=module-typescript', '-e', ASK]
  const env = { ...process.env, TYPED: typed }
  const { stdout } = await promisify(execFile)(have.paths.python, args, { env, timeout: 20_000 })
  return stdout
}

describeWith('python', 'a secret that is typed', () => {
  it('is not shown, and may be mended', async () => {
    const shown = await type('open sesamx\u007fe\r')
    expect(shown).toContain('length 11 last 101')
    expect(shown).not.toMatch(/open|sesam/)
    expect(await type('grüße\n')).toContain('length 5')
  })

  it('may be refused', async () => {
    expect(await type('open\u0003')).toContain('error nothing was entered')
    expect(await type('\u0004')).toContain('error nothing was entered')
  })
})

describeWith('python', 'a secret that a program asks for', () => {
  it('comes from SSH_ASKPASS when that is required, and nothing of it stands in an error', async () => {
    await using dir = await tempDir()
    const program = dir.join('askpass')
    await writeFile(program, '#!/bin/sh\necho "secret for $1"\n')
    await chmod(program, 0o700)
    const env = { SSH_ASKPASS: program, SSH_ASKPASS_REQUIRE: 'force', PATH: process.env['PATH'] }
    expect(await (await askSecret(env))?.('the key')).toBe('secret for the key')
    await writeFile(program, '#!/bin/sh\necho hunter2; echo hunter2 >&2; exit 1\n')
    const failed = (await askSecret(env))?.('the key')
    await expect(failed).rejects.toThrow(/^(?!.*hunter2).*SSH_ASKPASS/)
    expect(await askSecret({ SSH_ASKPASS_REQUIRE: 'force' })).toBeUndefined()
  })
})
