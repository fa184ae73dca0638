import { runCli } from './cli.ts'
import { COMMANDS } from './commands.ts'
import { STDIO } from './stdio.ts'
import { depotVersion } from './version.ts'

process.exitCode = await runCli({ ...COMMANDS, version: depotVersion(), io: STDIO }, process.argv.slice(2))
