import { checkBuckets } from './bucket.ts'
import { checkDatabase } from './database.ts'
import type { Check } from './finding.ts'
import { checkLeftovers } from './leftovers.ts'
import { checkPort, checkPublicUrl } from './listen.ts'
import { checkClock, checkMemory, checkNode, checkOpenFiles, checkUmask } from './machine.ts'
import { checkAuthFile, checkKeys } from './secrets.ts'
import { withConfig, type ServerContext } from './server-context.ts'
import { checkAccess, checkConfig, checkVariables } from './settings-checks.ts'
import { checkDisk, checkFileSystem, checkStore } from './store.ts'

/** What is looked at on the machine of a server, in the order in which it is told. */
export const SERVER_CHECKS = [
  { name: 'node', about: 'the Node that runs it', run: checkNode },
  { name: 'memory', about: 'what there is, and the limit of the control group', run: checkMemory },
  { name: 'open-files', about: 'how many files and connections a server may have', run: checkOpenFiles },
  { name: 'clock', about: 'whether it was ever set', run: checkClock },
  { name: 'umask', about: 'who may write what is made', run: checkUmask },
  { name: 'config', about: 'the configuration file that counts, and what is wrong in it', run: checkConfig },
  { name: 'variables', about: 'DEPOT_ variables that mean nothing', run: checkVariables },
  { name: 'access', about: 'who may come in', run: withConfig(checkAccess) },
  { name: 'auth-file', about: 'its lines, its keys, who may change it', run: withConfig(checkAuthFile) },
  { name: 'store', about: 'owner and mode of the folder, and what can be done in it', run: withConfig(checkStore) },
  {
    name: 'bucket',
    about: 'whether S3 answers to the credentials, its region and its clock',
    run: withConfig(checkBuckets),
  },
  { name: 'disk', about: 'free space and inodes', run: withConfig(checkDisk) },
  { name: 'file-system', about: 'a network file system, or memory', run: withConfig(checkFileSystem) },
  { name: 'keys', about: 'the keys that sign, and who may read them', run: withConfig(checkKeys) },
  {
    name: 'database',
    about: 'its tables, pages, journal and lock, and who has it open',
    run: withConfig(checkDatabase),
  },
  { name: 'leftovers', about: 'files of processes that were killed', run: withConfig(checkLeftovers) },
  { name: 'port', about: 'whether it is free, or who listens there', run: withConfig(checkPort) },
  { name: 'public-url', about: 'whether it leads here', run: withConfig(checkPublicUrl) },
] as const satisfies readonly Check<string, ServerContext>[]
