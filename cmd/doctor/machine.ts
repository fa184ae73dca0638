import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import process from 'node:process'
import { promisify } from 'node:util'

import { LIMITS } from '../../src/limits.ts'
import { depotVersion } from '../version.ts'
import { ok, skip, warn, type Finding } from './finding.ts'
import { sizeText } from './sizes.ts'

/** Which Node runs this, and where it was found. */
export async function checkNode(): Promise<readonly Finding[]> {
  const from = process.argv[1] === undefined ? '' : `, started as ${process.argv[1]}`
  return [ok(`depot ${depotVersion()} on Node ${process.versions.node} (${process.execPath})${from}`)]
}

/** Whether a server has room: the limit of its control group, or what the machine has free. */
export async function checkMemory(): Promise<readonly Finding[]> {
  // Without a limit it is 0, or a number beyond every machine.
  const limit = process.constrainedMemory()
  return [judgeMemory(limit > 0 && limit < 2 ** 50 ? limit : undefined, process.availableMemory())]
}

/** @param limit of the control group, in bytes, if there is one */
export function judgeMemory(limit: number | undefined, available: number): Finding {
  const needed = LIMITS.doctorMemoryBytesAdvised
  if (limit !== undefined && limit < needed)
    return warn(
      `processes here may use ${sizeText(limit)}; a server under load wants ${sizeText(needed)}`,
      `raise the limit: systemctl set-property depot MemoryMax=${needed / 1024 ** 2}M, or docker update --memory ${needed / 1024 ** 2}m`,
    )
  if (available > 0 && available < needed)
    return warn(
      `${sizeText(available)} of memory are free; a server under load wants ${sizeText(needed)}`,
      'ps -eo pid,rss,comm --sort -rss | head',
    )
  return ok(limit === undefined ? 'no limit' : `limited to ${sizeText(limit)}`)
}

/** Each connection and each file that is being sent takes a descriptor. */
export async function checkOpenFiles(): Promise<readonly Finding[]> {
  const { stdout } = await promisify(execFile)('sh', ['-c', 'ulimit -n'], { timeout: LIMITS.doctorProbeMs })
  return [judgeOpenFiles(stdout.trim())]
}

/** @param said `unlimited`, or a number */
export function judgeOpenFiles(said: string): Finding {
  const count = said === 'unlimited' ? Infinity : Number(said)
  if (Number.isNaN(count)) return skip(`ulimit says '${said}'`)
  if (count >= LIMITS.doctorOpenFilesAdvised) return ok(`${said} at once`)
  const advised = LIMITS.doctorOpenFilesAdvised
  return warn(
    `${said} at once; ${advised} are better under load`,
    `ulimit -n ${advised}   (systemd: LimitNOFILE=${advised})`,
  )
}

/** What is written anew: may others change it? */
export async function checkUmask(): Promise<readonly Finding[]> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '')
  const umask = /^Umask:\s*(?<mask>[0-7]+)$/m.exec(status)?.groups?.['mask']
  if (umask === undefined) return [skip('this system does not tell it')]
  const open = (Number.parseInt(umask, 8) & 0o022) !== 0o022
  return [open ? warn(`${umask}: others may write to files that a server makes`, 'umask 022') : ok(umask)]
}

/** A clock that was never set refuses every login and every certificate. */
export async function checkClock(): Promise<readonly Finding[]> {
  return [judgeYear(new Date())]
}

export function judgeYear(now: Date): Finding {
  const sane = now.getUTCFullYear() >= FIRST_YEAR && now.getUTCFullYear() < FIRST_YEAR + 50
  const time = now.toISOString().slice(0, 16).replace('T', ' ')
  return sane ? ok(`${time} UTC`) : warn(`this machine takes today for ${time} UTC`, 'timedatectl set-ntp true')
}

/** This program is not older. */
const FIRST_YEAR = 2025
