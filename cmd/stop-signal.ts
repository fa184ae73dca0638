/** The first SIGTERM or SIGINT asks for an orderly end, the second for an immediate one. */
export function stopSignal(): { readonly first: Promise<void>; readonly second: Promise<void> } {
  const first = Promise.withResolvers<void>()
  const second = Promise.withResolvers<void>()
  let count = 0
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      count++
      if (count === 1) first.resolve()
      else second.resolve()
    })
  }
  return { first: first.promise, second: second.promise }
}
