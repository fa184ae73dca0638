import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

/** Connections on which no request has come yet. Node counts them as busy, and a browser opens some to be ready. */
export function silentConnections(server: Server): ReadonlySet<Socket> {
  const silent = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })
  const spoken = ({ socket }: IncomingMessage): void => void silent.delete(socket)
  server.on('request', spoken).on('checkContinue', spoken)
  return silent
}
