/** A place to listen on: no address is every one. */
interface Listening {
  readonly address: string | undefined
  readonly port: number
}

/** The address that clients on this machine use for a server that listens there. */
export function localUrl({ address = '::', port }: Listening): string {
  const host = address === '::' || address === '0.0.0.0' ? '127.0.0.1' : address
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
