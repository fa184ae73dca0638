import { readdir, readFile, readlink } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'

/** A process of this machine. */
export interface Holder {
  readonly pid: number
  /** Its program, and for a depot the command. Never its arguments: there may be a password among them. */
  readonly program: string
  /** Whether it is a depot that serves. */
  readonly serves: boolean
  /** Of a worker the process that started it, else its own number. */
  readonly server: number
}

/**
 * Who has one of these open: files by their path, sockets as `socket:[inode]`. What /proc shows to this user: their own processes, for
 * root all of them, and on another system than Linux none.
 */
export async function holdersOf(targets: ReadonlySet<string>): Promise<readonly Holder[]> {
  const names = await readdir('/proc').catch(() => [])
  const pids = names.filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  const found: Holder[] = []
  for (const pid of pids) if (await holds(pid, targets)) found.push(await describe(Number(pid)))
  return found
}

/** The inodes of sockets that listen on a port of TCP, of `/proc/net/tcp` and `tcp6`. Pure. */
export function listeningSockets(table: string, port: number): readonly string[] {
  return table.split('\n').flatMap((line) => {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/)
    const listens = state === '0A' && Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16) === port
    return listens && inode !== undefined ? [`socket:[${inode}]`] : []
  })
}

/** Who listens on a port of this machine. */
export async function listenersOn(port: number): Promise<readonly Holder[]> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')))
  const sockets = new Set(tables.flatMap((table) => listeningSockets(table, port)))
  return sockets.size === 0 ? [] : holdersOf(sockets)
}

/** The program of a command line as /proc has it, with NUL between its words. Pure. */
export function programOf(commandLine: string): Pick<Holder, 'program' | 'serves'> {
  const words = commandLine.split('\0')
  const depot = words.findIndex((word, index) => index < 4 && /(?:^|\/)(?:launch\.js|depot(?:\.[jt]s)?)$/.test(word))
  const command = words[depot + 1] ?? ''
  if (depot === -1) return { program: path.basename(words[0] ?? '') || 'a process', serves: false }
  return { program: `depot ${/^[a-z-]+$/.test(command) ? command : ''}`.trim(), serves: command === 'serve' }
}

async function holds(pid: string, targets: ReadonlySet<string>): Promise<boolean> {
  const folder = `/proc/${pid}/fd`
  const open = await readdir(folder).catch(() => [])
  for (const name of open) if (targets.has(await readlink(`${folder}/${name}`).catch(() => ''))) return true
  return false
}

async function describe(pid: number): Promise<Holder> {
  const own = programOf(await readProcess(pid, 'cmdline'))
  const stat = await readProcess(pid, 'stat')
  // Behind the program's name, which may have blanks and parentheses of its own.
  const parent = Number(
    stat
      .slice(stat.lastIndexOf(')') + 1)
      .trim()
      .split(' ')[1] ?? 0,
  )
  const isWorker = own.serves && programOf(await readProcess(parent, 'cmdline')).serves
  return { pid, server: isWorker ? parent : pid, ...own }
}

function readProcess(pid: number, name: 'cmdline' | 'stat'): Promise<string> {
  return readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')
}
