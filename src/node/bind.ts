import type { ListenOptions, Server } from 'node:net'

/** Have a server listen; resolves when it does. @throws the error of the system when it cannot */
export function bind(server: Server, where: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
